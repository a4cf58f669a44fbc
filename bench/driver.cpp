// SPDX-License-Identifier: Apache-2.0
//
// Processes: one per instruction set and team size. A library's cap on instruction sets counts from
// its first use on, team sizes are read when it is loaded, and a team of two, once started, is not
// the same as a team of one.
#include "cpu.hpp"
#include "harness.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <signal.h>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {
namespace {

std::string own_path() {
  char path[4096] = {};
  ssize_t const n = readlink("/proc/self/exe", path, sizeof path - 1);
  return n > 0 ? std::string(path, static_cast<std::size_t>(n)) : std::string();
}

struct scratch_file {
  scratch_file() {
    char const* folder = std::getenv("TMPDIR");
    path = std::string(folder != nullptr ? folder : "/tmp") + "/ia_nn_bench_XXXXXX";
    int const file = mkstemp(path.data());
    if (file < 0) throw std::runtime_error("no scratch file can be made: " + path);
    close(file);
  }
  ~scratch_file() { unlink(path.c_str()); }
  scratch_file(scratch_file const&) = delete;
  scratch_file& operator=(scratch_file const&) = delete;
  std::string path;
};

// The scheduler weighs sessions against each other before it looks at `nice`: a build in another
// terminal takes half a core from the most important process of this one. So the worker leads a
// session of its own and asks for the weight of that.
void own_session(bool polite) {
  setsid();
  if (polite) return;
  int const file = open("/proc/self/autogroup", O_WRONLY);
  if (file < 0) return; // no session scheduling in this kernel
  if (write(file, "-20", 3) != 3)
    std::fprintf(stderr, "the session's priority could not be raised: other programs will show\n");
  close(file);
}

// Runs `body` in a child process in its own session to its end; throws if it failed.
template <class Body> void in_child(std::string const& what, bool polite, Body const& body) {
  std::fflush(nullptr);
  pid_t const parent = getpid();
  pid_t const child = fork();
  if (child < 0) throw std::runtime_error("a process for " + what + " cannot be started");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); // in a session of its own it would outlive an interrupt
    if (getppid() != parent) _exit(1);
    own_session(polite);
    body();
    _exit(0);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (WIFSIGNALED(status))
    throw std::runtime_error(what + " was ended by signal " + std::to_string(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0)
    throw std::runtime_error(what + " failed with status " + std::to_string(WEXITSTATUS(status)));
}

void start(std::string const& program, std::vector<std::string> arguments,
           std::vector<std::pair<std::string, std::string>> const& environment, bool polite) {
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  in_child(program, polite, [&] {
    for (auto const& [name, value] : environment) setenv(name.c_str(), value.c_str(), 0);
    execv(program.c_str(), argv.data());
    std::fprintf(stderr, "%s cannot be run: %s\n", program.c_str(), std::strerror(errno));
    _exit(127);
  });
}

void measure_machine(options const& o, report& all) {
  scratch_file const file;
  in_child("the measurement of the machine's peaks", o.polite, [&] {
    report r;
    for (peak kind : all_peaks())
      for (int threads : o.threads)
        r.peaks[name_of(kind) + ", " + unit_of(kind)][std::to_string(threads) + "t"] =
            measure(kind, threads);
    try {
      save(r, file.path, o);
    } catch (std::exception const& e) {
      std::fprintf(stderr, "bench: %s\n", e.what());
      _exit(1);
    }
  });
  all.merge(load(file.path));
}

int drive(options const& o, std::string const& program_prefix,
          std::vector<std::string> const& built) {
  report all;
  measure_machine(o, all);
  for (std::string const& isa : o.isas) {
    if (built.empty()) break; // the suite is the machine's peaks alone
    if (!isa_available(isa)) {
      all.skipped.push_back("instruction set " + isa + ": this machine does not have it");
      continue;
    }
    if (std::find(built.begin(), built.end(), isa) == built.end()) {
      all.skipped.push_back("instruction set " + isa + ": no executable was built for it");
      continue;
    }
    for (int threads : o.threads) {
      if (static_cast<std::size_t>(threads) > allowed_cpus().size()) {
        all.skipped.push_back(std::to_string(threads) + " threads: this process may use " +
                              std::to_string(allowed_cpus().size()) + " CPUs only");
        continue;
      }
      scratch_file const file;
      start(program_prefix + isa, worker_arguments(o, isa, threads, file.path),
            worker_environment(isa, threads), o.polite);
      all.merge(load(file.path));
    }
  }
  print(all);
  if (!built.empty() && all.rows.empty())
    throw std::runtime_error("nothing was measured: no case fits --isa, --threads and --filter");
  if (!o.json.empty()) save(all, o.json, o);
  return 0;
}

template <class Body> int guarded(Body const& body) {
  try {
    return body();
  } catch (std::exception const& e) {
    std::fprintf(stderr, "bench: %s\n", e.what());
    return 1;
  }
}

} // namespace

std::vector<std::pair<std::string, std::string>> worker_environment(std::string const& isa,
                                                                    int threads) {
  std::string const team = std::to_string(threads);
  std::string cap = "AVX2";
  if (isa == "avx2_vnni") cap = "AVX2_VNNI";
  if (isa == "avx512") cap = "AVX512_CORE";
  if (isa == "avx512_vnni") cap = "AVX512_CORE_VNNI";
  if (isa == "avx512_bf16") cap = "AVX512_CORE_BF16";
  if (isa == "amx") cap = "AVX512_CORE_AMX";
  bool const wide = isa.rfind("avx2", 0) != 0;
  return {{"ONEDNN_MAX_CPU_ISA", cap},
          {"DNNL_MAX_CPU_ISA", cap},
          {"OPENBLAS_CORETYPE", wide ? "SkylakeX" : "Haswell"},
          {"OPENBLAS_NUM_THREADS", team},
          {"OMP_NUM_THREADS", team},
          {"OMP_DYNAMIC", "false"},
          // How long idle team members spin before they sleep: 0.1 to 0.2 ms. Long enough for the
          // barriers inside a call and for calls in a row, short enough to be waited for.
          {"GOMP_SPINCOUNT", "2000"},
          {"OPENBLAS_THREAD_TIMEOUT", "18"}, // 2^18 clock ticks
          {"KMP_BLOCKTIME", "1"}};           // milliseconds, the shortest it can express
}

int drive(int argc, char** argv, std::string const& name, std::vector<std::string> const& isas) {
  return guarded([&] {
    allowed_cpus();
    options const o = parse(argc, argv, name);
    return drive(o, own_path() + "_", isas);
  });
}

int run(int argc, char** argv, std::string const& name, std::string const& isa, suite const& make,
        closing const& close) {
  return guarded([&] {
    allowed_cpus(); // before anything binds a thread
    options o = parse(argc, argv, name);
    if (o.worker.empty()) { // started by hand: be the driver of this one instruction set
      std::string const path = own_path();
      o.isas = {isa};
      return drive(o, path.substr(0, path.size() - isa.size()), {isa});
    }
    if (!isa_available(isa)) throw std::runtime_error("this machine does not have " + isa);
    report r;
    context c{o, isa, o.threads.front(), r};
    measure_suite(c, name, make);
    if (close) close(c);
    save(r, o.worker, o);
    return 0;
  });
}

} // namespace bench
