// SPDX-License-Identifier: Apache-2.0
//
// What readers and writers of JSON share. Documents are read as a stream of tokens: what does not
// belong where it stands is refused when it comes, so that neither deep nesting nor a long list takes
// memory. Whoever includes this header needs nlohmann's json.
#pragma once

#include <ia_nn/io/safetensors_types.hpp>

#include <nlohmann/json.hpp>

#include <ia_nn/begin.hpp>

namespace detail {

/// Receives the tokens of a document from nlohmann's parser; the names of the functions are its. All
/// tokens are refused: a reader derives from it and hides the functions of those that it takes.
class json_reader {
public:
  bool start_object(std::size_t) { fail("an object out of place"); }
  bool end_object() { fail("the end of an object out of place"); }
  bool start_array(std::size_t) { fail("a list out of place"); }
  bool end_array() { fail("the end of a list out of place"); }
  bool key(std::string&) { fail("a key out of place"); }
  bool string(std::string&) { fail("a string out of place"); }
  bool number_unsigned(std::uint64_t) { fail("a number out of place"); }
  bool number_integer(std::int64_t) { fail("a negative number"); }
  bool number_float(double, std::string const&) {
    fail("a number that is no integer below 2^64");
  }
  bool boolean(bool) { fail("a truth value out of place"); }
  bool null() { fail("a null out of place"); }
  bool binary(nlohmann::json::binary_t&) { fail("bytes out of place"); }
  bool parse_error(std::size_t at, std::string const&, nlohmann::detail::exception const& e) {
    if (e.id == 406) fail("a number beyond 10^308");
    no_json(at);
  }

protected:
  /// Sentences are "'file' is no JSON" and "'file' has a list out of place", or, where the document
  /// is a part of the file, "has a header that is no JSON", "has a header with a list out of place".
  json_reader(std::string_view file, char const* is_none = "is no JSON", char const* has = "has ")
      : file_(file), is_none_(is_none), has_(has) {}
  ~json_reader() = default;

  template <class Reader> static void read(Reader& reader, std::string_view text) {
    // Where it meets a zero the parser believes that its input ends, and says nothing of the rest.
    if (std::size_t const zero = text.find('\0'); zero != text.npos) reader.no_json(zero + 1);
    nlohmann::json::sax_parse(text.begin(), text.end(), &reader);
  }
  [[noreturn]] void no_json(std::size_t at) const {
    npy_fail(file_, std::string(is_none_) + " in UTF-8, at byte " + std::to_string(at));
  }
  [[noreturn]] void fail(std::string const& what) const {
    npy_fail(file_, has_ + what + (named_ ? ", in " + shown_name(name_) : ""));
  }

  std::string file_;
  std::string name_;   ///< of what is being read,
  bool named_ = false; ///< if it has one

private:
  char const *is_none_, *has_;
};

/// The text in quotes. Errors: errc::bad_parameter if it is not UTF-8; `who` begins the sentence.
inline std::string json_text(std::string const& s, char const* who) {
  IA_NN_TRY {
    return nlohmann::json(s).dump();
  }
  IA_NN_CATCH(nlohmann::json::exception const& e) {
    throw_error(errc::bad_parameter, std::string(who) + ": " + shown_name(s) + " is not UTF-8");
  }
}

} // namespace detail
IA_NN_END
