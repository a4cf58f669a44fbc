// SPDX-License-Identifier: Apache-2.0
//
// A GRU that smooths a signal sample by sample, as an audio plug-in or a sensor would run it. Reads
// a CSV file (one number per line) or a 16-bit mono WAV file, writes the filtered samples as CSV:
//
//   stream_filter input.wav|input.csv [output.csv]
//
// Without arguments it makes a noisy sine, writes it to a file, and filters that. The network is
// set by hand: one unit whose gate z mixes old state and new input, h = z h + (1 - z) tanh(x),
// which is a low pass with a soft limit; further units have other time constants. A trained one is
// loaded the same way.
#include <ia_nn/ia_nn.hpp>

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

using namespace ia_nn;

namespace {

std::vector<f32> read_signal(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw error(errc::bad_file, "cannot open " + path);
  std::string const bytes((std::istreambuf_iterator<char>(file)), {});
  std::vector<f32> samples;
  if (bytes.compare(0, 4, "RIFF") == 0) {
    std::size_t const data = bytes.find("data");
    if (bytes.size() < 44 || data == std::string::npos || bytes[22] != 1 || bytes[34] != 16)
      throw error(errc::bad_file, path + " is not a 16-bit mono WAV file");
    for (std::size_t i = data + 8; i + 2 <= bytes.size(); i += 2) {
      std::int16_t s;
      std::memcpy(&s, bytes.data() + i, 2);
      samples.push_back(static_cast<f32>(s) / 32768.0F);
    }
  } else {
    char const *at = bytes.data(), *const end = at + bytes.size();
    while (at != end) {
      f32 x;
      auto const [stop, code] = std::from_chars(at, end, x); // a point in every locale
      if (code == std::errc()) samples.push_back(x);
      at = stop == at ? at + 1 : stop;
    }
  }
  if (samples.empty()) throw error(errc::bad_file, path + " holds no samples");
  return samples;
}

void write_line(std::ofstream& file, double x) {
  char text[32];
  file.write(text,
             std::to_chars(text, text + sizeof text, x, std::chars_format::general, 6).ptr - text);
  file.put('\n');
}

// A sine with noise, as a file.
std::string demonstration() {
  std::string const path = "stream_filter_input.csv";
  std::ofstream file(path);
  std::uint32_t seed = 1;
  for (int i = 0; i < 48000; ++i) {
    seed = seed * 1664525U + 1013904223U;
    write_line(file,
               0.5 * std::sin(i * 0.01) + 0.3 * (static_cast<double>(seed >> 8) * 0x1p-23 - 1));
  }
  return path;
}

f32 roughness(std::vector<f32> const& v) { // mean square of the difference of neighbours
  f32 sum = 0;
  for (std::size_t i = 1; i < v.size(); ++i) sum += (v[i] - v[i - 1]) * (v[i] - v[i - 1]);
  return sum / static_cast<f32>(v.size());
}

} // namespace

int main(int argc, char** argv) try {
  std::vector<f32> const x = read_signal(argc > 1 ? argv[1] : demonstration());
  constexpr index_t units = 8;
  std::vector<f32> w(3 * units), u(3 * units * units), b(3 * units); // gates r z n
  for (std::size_t j = 0; j < units; ++j) {
    b[units + j] = 1.0F + 0.5F * static_cast<f32>(j); // z = 0.73 ... 0.99: time constants
    w[2 * units + j] = 1.0F;                          // n = tanh(x)
  }
  rnn<rnn_weights<isa::native, gru, f32, f32, standard, 1, units>> const model(
      {gate_order::pytorch{},
       rnn_source{.input = 1, .hidden = units, .w_input = w, .w_recurrent = u, .b_input = b}},
      rnn_options{});
  rnn_stream stream(model);

  std::vector<f32> y(x.size());
  f32 h[units];
  auto const start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < x.size();
       ++i) { // one sample a call: nothing is allocated, nothing waits
    stream.step(&x[i], h);
    y[i] = h[4];
  }
  double const ns =
      std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
  if (std::ofstream file(argc > 2 ? argv[2] : "stream_filter_output.csv"); file)
    for (f32 const v : y) write_line(file, static_cast<double>(v));
  std::printf("%zu samples, %.0f ns each; roughness %.2e before, %.2e after\n", x.size(),
              ns / static_cast<double>(x.size()), static_cast<double>(roughness(x)),
              static_cast<double>(roughness(y)));
  return roughness(y) < roughness(x) ? 0 : 1;
} catch (error const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
