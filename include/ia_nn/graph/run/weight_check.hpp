// SPDX-License-Identifier: Apache-2.0
//
// Whether a source has the weights of a network, and no others: told before anything is loaded.
// What is left over then is mostly what was meant.
//
// Names are sorted once and looked up. The nearest ones are searched when there is a mistake.
#pragma once

#include <ia_nn/graph/kernels/kernel.hpp>

#include <ia_nn/begin.hpp>
namespace graph {
namespace detail {

class weight_check {
public:
  weight_check(plan_view const& plan, weight_reader& reader, compile_options const& o)
      : plan_(plan), reader_(reader), o_(o) {}

  /// Chooses the prefix. Errors, all errc::bad_parameter: names of compile_options that the network
  /// has not, weights that are missing, weights that no layer has.
  void run() {
    list_wanted();
    check_map();
    choose_prefix();
    for (wanted& w : wanted_) w.name = reader_.names.of(w.layer->name.view(), w.suffix);
    for (wanted const& w : wanted_)
      if (!reader_.has(w.name)) missing_.push_back(&w);
    for (wanted const& w : wanted_) expected_.push_back(w.name);
    std::sort(expected_.begin(), expected_.end());
    if (!missing_.empty()) tell_missing();
    if (!o_.allow_unknown_weights) find_unknown();
  }

private:
  struct wanted {
    node const* layer;
    std::string suffix, name; ///< the latter in the source
  };

  static bool among(std::vector<std::string_view> const& sorted, std::string_view name) {
    return std::binary_search(sorted.begin(), sorted.end(), name);
  }
  template <class Nodes> static void list(Nodes const* nodes, int id, std::vector<wanted>& to) {
    for (weight const& w : weights_of(nodes, id)) {
      if (w.of_training) continue; // need not be there
      if (w.suffix.cut)
        throw_error(errc::bad_parameter,
                    who(nodes[id]) + ": the suffix of a weight has at most 31 characters: '" +
                        std::string(w.suffix.view()) + "...'");
      to.push_back({nodes + id, std::string(w.suffix.view()), {}});
    }
  }
  void list_wanted() {
    std::vector<std::string_view> layers;
    for (int id = 0; id < plan_.node_count; ++id) {
      std::size_t const before = wanted_.size();
      list(plan_.nodes, id, wanted_);
      if (wanted_.size() > before) layers.push_back(plan_.nodes[id].name.view());
    }
    std::sort(layers.begin(), layers.end());
    for (int id = 0; id < plan_.written_count; ++id) // what no output needs
      if (!among(layers, plan_.written[id].name.view())) list(plan_.written, id, removed_);
  }

  /// Names of layers and weights that `names` of compile_options may have.
  void check_map() const {
    if (o_.names.empty()) return;
    std::vector<std::string> known;
    for (std::vector<wanted> const* const list : {&wanted_, &removed_})
      for (wanted const& w : *list) {
        known.emplace_back(w.layer->name.view());
        known.push_back(known.back() + w.suffix);
      }
    std::vector<std::string_view> const all(known.begin(), known.end());
    std::vector<std::string_view> sorted = all;
    std::sort(sorted.begin(), sorted.end());
    for (auto const& [from, to] : o_.names) {
      if (among(sorted, from)) continue;
      std::string_view const near = nearest(from, all);
      throw_error(errc::bad_parameter,
                  "network: .names has " + in_quotes(from) +
                      ", which is no layer with weights, and no weight, of the network" +
                      (near.empty() ? "" : "; the nearest is " + in_quotes(near)));
    }
  }

  index_t fits(std::string_view prefix) const {
    index_t n = 0;
    for (wanted const& w : wanted_) n += reader_.lists(std::string(prefix) + bare(w));
    return n;
  }
  std::string bare(wanted const& w) const {
    return reader_.names.without_prefix(w.layer->name.view(), w.suffix);
  }
  void choose_prefix() {
    if (o_.prefixes.empty()) return;
    index_t best = 0;
    for (std::string const& p : o_.prefixes)
      if (index_t const n = fits(p); n > best) best = n, reader_.names.prefix = p;
    if (fits("") > best) reader_.names.prefix.clear();
  }
  /// What belongs to a sentence on names if prefixes were tried.
  std::string about_prefix() const {
    if (o_.prefixes.empty()) return {};
    std::string const& p = reader_.names.prefix;
    return p.empty() ? " (none of the prefixes fits)" : " (with the prefix " + in_quotes(p) + ")";
  }
  static std::string others(std::size_t count, char const* one, char const* many) {
    if (count < 2) return {};
    return "; " + (count == 2 ? one : std::to_string(count - 1) + many);
  }

  [[noreturn]] void tell_missing() const {
    wanted const& first = *missing_.front();
    std::vector<std::string_view> left; // what no layer reads
    for (std::string const& n : reader_.all())
      if (!among(expected_, n)) left.push_back(n);
    std::string const name = bare(first);
    std::string const common = common_prefix(name, left);
    if (!common.empty() && missing_.size() == wanted_.size())
      throw_error(errc::bad_parameter,
                  "network: the source has none of its " + std::to_string(wanted_.size()) +
                      " weights under their names" + about_prefix() + ", and " +
                      std::to_string(fits(common)) + " with '" + shown_name(common) +
                      "' in front, as " + in_quotes(common + name) + ": give .prefixes = {\"" +
                      shown_name(common) + "\"}");
    std::string text =
        who(*first.layer) + ": there is no weight " + in_quotes(first.name) + about_prefix();
    if (!common.empty()) {
      text += "; the source has " + in_quotes(common + name) + ": give .prefixes = {\"" +
              shown_name(common) + "\"}";
    } else {
      std::string_view near = nearest(first.name, left);
      if (near.empty()) near = nearest(name, left);
      if (!near.empty())
        text += "; the nearest that no layer reads is " + in_quotes(near) + remedy(first, near);
    }
    throw_error(errc::bad_parameter,
                text + others(missing_.size(), "another is missing", " others are missing"));
  }
  /// What stands in front of `name` in the source, if more weights are there with it than there are
  /// now.
  std::string common_prefix(std::string_view name,
                            std::vector<std::string_view> const& left) const {
    std::vector<std::string_view> tried;
    std::string best;
    index_t most = static_cast<index_t>(wanted_.size() - missing_.size());
    for (std::string_view const other : left) {
      if (other.size() <= name.size() || !same_ending(other, name)) continue;
      std::string_view const prefix = other.substr(0, other.size() - name.size());
      if (tried.size() == 8) break;
      tried.push_back(prefix);
      if (index_t const n = fits(prefix); n > most) most = n, best = prefix;
    }
    return best;
  }
  /// How `near` is read in place of a weight, if it has the same ending.
  std::string remedy(wanted const& w, std::string_view near) const {
    std::string const& prefix = reader_.names.prefix;
    if (!same_ending(bare(w), near) || !near.starts_with(prefix)) return {};
    near.remove_prefix(prefix.size());
    std::string_view const layer = w.layer->name.view();
    bool const whole = near.size() > w.suffix.size() && near.ends_with(w.suffix);
    std::string const from = std::string(layer) + (whole ? "" : w.suffix),
                      to(near.substr(0, near.size() - (whole ? w.suffix.size() : 0)));
    return ": give .names = {{\"" + from + "\", \"" + shown_name(to) + "\"}}";
  }

  void find_unknown() const {
    std::vector<std::string> removed;
    for (wanted const& w : removed_)
      removed.push_back(reader_.names.of(w.layer->name.view(), w.suffix));
    std::vector<std::string_view> passed(removed.begin(), removed.end());
    std::sort(passed.begin(), passed.end());
    std::size_t count = 0;
    std::string const* first = nullptr;
    for (std::string const& n : reader_.all()) {
      if (among(expected_, n) || among(passed, n)) continue;
      if (count++ == 0) first = &n;
    }
    if (first) tell_unknown(*first, count);
  }
  [[noreturn]] void tell_unknown(std::string const& name, std::size_t count) const {
    std::string text = "network: no layer has a weight " + in_quotes(name) + about_prefix();
    // Of a layer that there is, such as the bias of one without.
    std::size_t const dot = name.rfind('.');
    std::string_view const front = std::string_view(name).substr(0, dot);
    wanted const* layer = nullptr;
    if (dot != std::string::npos)
      for (wanted const& w : wanted_)
        if (w.name.size() == front.size() + w.suffix.size() && w.name.starts_with(front) &&
            w.name.ends_with(w.suffix))
          layer = &w;
    std::vector<std::string_view> in_order;
    for (wanted const& w : wanted_) in_order.push_back(w.name);
    std::string_view const near = nearest(name, in_order);
    if (!near.empty()) text += "; the nearest that layers expect is " + in_quotes(near);
    else if (layer) text += "; " + who(*layer->layer) + " has no " + shown_name(name.substr(dot));
    throw_error(errc::bad_parameter, text + others(count, "another is not expected either",
                                                   " others are not expected either"));
  }

  plan_view const& plan_;
  weight_reader& reader_;
  compile_options const& o_;
  std::vector<wanted> wanted_{}, removed_{};
  std::vector<wanted const*> missing_{};
  std::vector<std::string_view> expected_{}; ///< sorted names of `wanted_`
};

} // namespace detail
} // namespace graph
IA_NN_END
