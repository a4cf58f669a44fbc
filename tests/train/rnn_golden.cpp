// SPDX-License-Identifier: Apache-2.0
//
// Gradients of PyTorch's recurrent layers (tools/make_golden_rnn.py), what set-up refuses, and an empty
// call.
#include "rnn_support.hpp"

#include <ia_nn/io/safetensors.hpp>

namespace ia_nn_test {
namespace {

using ia_nn::rnn_source;

struct golden_case {
  std::string name;
  index_t layers;
  bool both;
  index_t projected = 0;
};

template <class I, class Cell>
void check_golden(ia_nn::safetensors const& file, golden_case const& c) {
  constexpr index_t T = 5, N = 3, In = 4, H = 6;
  index_t const D = c.both ? 2 : 1, R = c.projected ? c.projected : H,
                G = ia_nn::detail::cell_traits<Cell>::gates;
  index_t const states = c.layers * D;
  auto const tensor = [&](std::string const& name, std::vector<index_t> const& shape) {
    return file.copy<f32>(c.name + "." + name, shape);
  };
  constexpr bool has_cell = Cell::states > 0;
  auto const of_cells = [&](std::string const& name) {
    return has_cell ? tensor(name, {states, N, H}) : std::vector<f32>{};
  };
  std::vector<f32> const x = tensor("x", {T, N, In}), h0 = tensor("h0", {states, N, R}),
                         c0 = of_cells("c0"), dy = tensor("diff_y", {T, N, D * R}),
                         dhn = tensor("diff_hn", {states, N, R}), dcn = of_cells("diff_cn");
  struct direction_tensors {
    std::vector<f32> value[5], want[5], got[5];
  };
  std::vector<direction_tensors> weights;
  for (index_t l = 0; l < c.layers; ++l)
    for (index_t d = 0; d < D; ++d) {
      std::string const tail = "_l" + std::to_string(l) + (d ? "_reverse" : "");
      index_t const in = l == 0 ? In : D * R;
      char const* const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
      std::vector<index_t> const shapes[] = {{G * H, in}, {G * H, R}, {G * H}, {G * H}, {R, H}};
      direction_tensors t;
      for (int i = 0; i < (c.projected ? 5 : 4); ++i) {
        t.value[i] = tensor(names[i] + tail, shapes[i]);
        t.want[i] = tensor("diff_" + (names[i] + tail), shapes[i]);
        t.got[i].resize(t.want[i].size());
      }
      weights.push_back(std::move(t));
    }
  std::vector<rnn_source> sources;
  std::vector<ia_nn::rnn_gradients> gradients;
  for (direction_tensors& t : weights) {
    sources.push_back(
        {0, H, t.value[0], t.value[1], t.value[2], t.value[3], {}, t.value[4], c.projected});
    gradients.push_back({.w_input = write_to(t.got[0].data()),
                         .w_recurrent = write_to(t.got[1].data()),
                         .b_input = write_to(t.got[2].data()),
                         .b_recurrent = write_to(t.got[3].data()),
                         .projection = c.projected ? write_to(t.got[4].data()) : not_wanted});
  }
  ia_nn::rnn_training<I, Cell> const net(
      {.input = In,
       .hidden = H,
       .projected = c.projected,
       .layers = c.layers,
       .direction = c.both ? ia_nn::rnn_direction::concat : ia_nn::rnn_direction::forward},
      {.max_time = T, .max_batch = N});
  scratch reserve(net.reserve_bytes()), work(net.workspace_bytes());
  std::vector<f32> y(dy.size()), hn(dhn.size()), cn(dcn.size()), dx(x.size()), dh0(h0.size()),
      dc0(c0.size());
  f32 const* const cell = has_cell ? c0.data() : nullptr;
  net.forward({.weights = sources,
               .src = x.data(),
               .dst = y.data(),
               .time = T,
               .batch = N,
               .initial_hidden = h0.data(),
               .initial_cell = cell,
               .final_hidden = hn.data(),
               .final_cell = has_cell ? cn.data() : nullptr},
              reserve, work);
  net.backward({.weights = sources,
                .src = x.data(),
                .dst = y.data(),
                .diff_dst = dy.data(),
                .time = T,
                .batch = N,
                .initial_hidden = h0.data(),
                .initial_cell = cell,
                .diff_final_hidden = dhn.data(),
                .diff_final_cell = has_cell ? dcn.data() : nullptr,
                .diff_src = write_to(dx.data()),
                .diff_initial_hidden = write_to(dh0.data()),
                .diff_initial_cell = has_cell ? write_to(dc0.data()) : not_wanted,
                .gradients = gradients},
               reserve, work);
  auto const same = [](std::vector<f32> const& got, std::vector<f32> const& want) {
    REQUIRE(!want.empty());
    REQUIRE(difference(got, to_doubles(want), 2e-5) == "");
  };
  INFO(c.name);
  same(y, tensor("y", {T, N, D * R}));
  same(hn, tensor("hn", {states, N, R}));
  same(dx, tensor("diff_x", {T, N, In}));
  same(dh0, tensor("diff_h0", {states, N, R}));
  if (has_cell) same(cn, of_cells("cn")), same(dc0, of_cells("diff_c0"));
  for (direction_tensors const& t : weights)
    for (int i = 0; i < (c.projected ? 5 : 4); ++i) same(t.got[i], t.want[i]);
}

} // namespace

TEST_CASE("gradients of PyTorch's recurrent layers", "[train][rnn][golden]") {
  ia_nn::safetensors const file =
      ia_nn::load_safetensors(IA_NN_GOLDEN "/rnn_gradients.safetensors");
  for_each_isa<vector_isas>([&](auto tag) {
    using I = decltype(tag);
    check_golden<I, ia_nn::lstm>(file, {"lstm", 2, true});
    check_golden<I, ia_nn::lstm>(file, {"lstm_projected", 2, false, 3});
    check_golden<I, ia_nn::gru>(file, {"gru", 2, true});
    check_golden<I, ia_nn::vanilla<>>(file, {"tanh", 3, false});
    check_golden<I, ia_nn::vanilla<ia_nn::activation::relu>>(file, {"relu", 1, false});
  });
}

TEST_CASE("calls that hand their states on give the gradients of one call", "[train][rnn]") {
  using I = ia_nn::isa::native;
  constexpr index_t T = 6, half = 3, N = 2, In = 3, H = 5, X = half * N * In, Y = half * N * H;
  random r(620);
  auto const fresh = [&](index_t n) {
    std::vector<f32> v(at(n));
    for (f32& x : v) x = r.uniform(-1, 1);
    return v;
  };
  std::vector<f32> const w = fresh(4 * H * In), u = fresh(4 * H * H), x = fresh(2 * X),
                         dy = fresh(2 * Y);
  std::vector<rnn_source> const weights{{In, H, w, u, {}, {}, {}, {}, 0}};
  ia_nn::rnn_training<I, ia_nn::lstm> const net({.input = In, .hidden = H},
                                                {.max_time = T, .max_batch = N});
  scratch first(net.reserve_bytes()), second(net.reserve_bytes()), work(net.workspace_bytes());
  std::vector<f32> y(at(2 * Y)), dw(w.size()), du(u.size()), dx(x.size());
  auto const whole = [&] {
    std::vector<ia_nn::rnn_gradients> const g{
        {.w_input = write_to(dw.data()), .w_recurrent = write_to(du.data())}};
    net.forward({.weights = weights, .src = x.data(), .dst = y.data(), .time = T, .batch = N},
                first, work);
    net.backward({.weights = weights,
                  .src = x.data(),
                  .dst = y.data(),
                  .diff_dst = dy.data(),
                  .time = T,
                  .batch = N,
                  .diff_src = write_to(dx.data()),
                  .gradients = g},
                 first, work);
  };
  whole();
  std::vector<f32> const want_y = y, want_w = dw, want_u = du, want_x = dx;
  std::vector<f32> h(at(N * H)), c(h.size()), dh(h.size()), dc(h.size());
  net.forward({.weights = weights,
               .src = x.data(),
               .dst = y.data(),
               .time = half,
               .batch = N,
               .final_hidden = h.data(),
               .final_cell = c.data()},
              first, work);
  net.forward({.weights = weights,
               .src = x.data() + X,
               .dst = y.data() + Y,
               .time = half,
               .batch = N,
               .initial_hidden = h.data(),
               .initial_cell = c.data()},
              second, work);
  REQUIRE(y == want_y); // the same bits
  std::vector<ia_nn::rnn_gradients> g{
      {.w_input = write_to(dw.data()), .w_recurrent = write_to(du.data())}};
  net.backward({.weights = weights,
                .src = x.data() + X,
                .dst = y.data() + Y,
                .diff_dst = dy.data() + Y,
                .time = half,
                .batch = N,
                .initial_hidden = h.data(),
                .initial_cell = c.data(),
                .diff_src = write_to(dx.data() + X),
                .diff_initial_hidden = write_to(dh.data()),
                .diff_initial_cell = write_to(dc.data()),
                .gradients = g},
               second, work);
  g[0] = {.w_input = add_to(dw.data()), .w_recurrent = add_to(du.data())};
  net.backward({.weights = weights,
                .src = x.data(),
                .dst = y.data(),
                .diff_dst = dy.data(),
                .time = half,
                .batch = N,
                .diff_final_hidden = dh.data(),
                .diff_final_cell = dc.data(),
                .diff_src = write_to(dx.data()),
                .gradients = g},
               first, work);
  REQUIRE(difference(dx, to_doubles(want_x), 1e-6) == "");
  REQUIRE(difference(dw, to_doubles(want_w), 1e-5) == "");
  REQUIRE(difference(du, to_doubles(want_u), 1e-5) == "");
}

TEST_CASE("errors of recurrent layers in training", "[train][rnn][errors]") {
  using I = ia_nn::isa::scalar;
  using net = ia_nn::rnn_training<I, ia_nn::lstm>;
  using gru_net = ia_nn::rnn_training<I, ia_nn::gru>;
  using peephole_net = ia_nn::rnn_training<I, ia_nn::lstm_peephole>;
  REQUIRE_ERROR([] { net({.input = 0}, {}); }, errc::bad_shape, "input is 0");
  REQUIRE_ERROR([] { net({}, {.max_batch = 0}); }, errc::bad_shape, "max_batch is 0");
  REQUIRE_ERROR([] { net({}, {.workers = 0}); }, errc::bad_parameter, "workers is 0");
  REQUIRE_ERROR([] { net({}, {.dropout = 1}); }, errc::bad_parameter, "p is 1");
  REQUIRE_ERROR([] { net({}, {.checkpoint = -1}); }, errc::bad_parameter, "checkpoint is -1");
  REQUIRE_ERROR([] { net({.direction = ia_nn::rnn_direction::sum}, {}); }, errc::bad_parameter,
                "concat");
  REQUIRE_ERROR([] { net({}, {}, {.clip = 1}); }, errc::bad_parameter, "limits of the cell");
  REQUIRE_ERROR([] { gru_net({.projected = 1}, {}); }, errc::bad_shape, "cannot be projected");
  REQUIRE_ERROR([] { peephole_net({}, {.checkpoint = 1}); }, errc::bad_parameter,
                "checkpoint must be 0");
  net const one({}, {.max_time = 2, .max_batch = 2});
  scratch reserve(one.reserve_bytes()), work(one.workspace_bytes());
  f32 const w[4] = {};
  f32 x[4] = {}, y[4] = {};
  std::vector<rnn_source> sources{{1, 1, w, w, {}, {}, {}, {}, 0}};
  ia_nn::rnn_training_call call{.weights = sources, .src = x, .dst = y, .time = 2, .batch = 2};
  auto const check = [&] { one.check(call, reserve, work); };
  check();
  call.time = 3;
  REQUIRE_ERROR(check, errc::bad_shape, "T is 3");
  call.time = 2;
  s32 const lengths[2] = {2, 3};
  call.lengths = lengths;
  REQUIRE_ERROR(check, errc::bad_shape, "the length of sequence 1 is 3");
  call.lengths = nullptr, call.dst = nullptr;
  REQUIRE_ERROR(check, errc::bad_pointer, "dst is null");
  call.dst = y, sources[0].w_recurrent = {};
  REQUIRE_ERROR(check, errc::bad_shape, "w_recurrent of layer 0 has 0");
  sources[0].w_recurrent = w;
  REQUIRE_ERROR([&] { one.check(call, {reserve.operator ia_nn::workspace_view().data, 0}, work); },
                errc::small_workspace, "");
  REQUIRE_ERROR([&] { one.check(ia_nn::rnn_training_call{}, reserve, work); }, errc::bad_shape,
                "0 weights");
}

TEST_CASE("recurrent gradients of no steps and of no sequences", "[train][rnn]") {
  using I = ia_nn::isa::native;
  ia_nn::rnn_training<I, ia_nn::gru> const net({.input = 2, .hidden = 3},
                                               {.max_time = 2, .max_batch = 2});
  std::vector<f32> const w(18, 0.1F), u(27, 0.1F);
  std::vector<rnn_source> const sources{{2, 3, w, u, {}, {}, {}, {}, 0}};
  scratch reserve(net.reserve_bytes()), work(net.workspace_bytes());
  f32 const h0[6] = {1, 2, 3, 4, 5, 6};
  f32 hn[6] = {}, dh0[6] = {}, dw[18], x = 0, y = 0;
  std::fill_n(dw, 18, 7.0F);
  std::vector<ia_nn::rnn_gradients> const gradients{{.w_input = write_to(dw)}};
  net.forward({.weights = sources,
               .src = &x,
               .dst = &y,
               .batch = 2,
               .initial_hidden = h0,
               .final_hidden = hn},
              reserve, work);
  REQUIRE(std::equal(hn, hn + 6, h0));
  net.backward({.weights = sources,
                .src = &x,
                .dst = &y,
                .batch = 2,
                .initial_hidden = h0,
                .diff_final_hidden = h0,
                .diff_initial_hidden = write_to(dh0),
                .gradients = gradients},
               reserve, work);
  REQUIRE(std::equal(dh0, dh0 + 6, h0));
  REQUIRE(std::all_of(dw, dw + 18, [](f32 v) { return v == 0; }));
  net.forward({.weights = sources, .src = &x, .dst = &y, .time = 2}, reserve, work);
  net.backward({.weights = sources, .src = &x, .dst = &y, .time = 2, .gradients = gradients},
               reserve, work);
}

} // namespace ia_nn_test
