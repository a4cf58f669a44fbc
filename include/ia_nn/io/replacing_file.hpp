// SPDX-License-Identifier: Apache-2.0
//
// Files that are written under another name first, then renamed: at any time the path names either
// the old file or the whole new one.
#pragma once

#include <ia_nn/io/file.hpp>

#include <atomic>

#include <ia_nn/begin.hpp>
namespace detail {

/// A file that takes the place of `path` when it is complete. Without `commit` nothing changes.
class replacing_file {
public:
  explicit replacing_file(std::string const& path) : path_(path) {
    // Beside the target, since renaming works within a file system only. Not mkstemp, whose files
    // nobody else may read.
    static std::atomic<unsigned> counter{0};
    do {
      temporary_ = path_ + ".tmp." + std::to_string(::getpid()) + '.' + std::to_string(counter++);
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
    if (descriptor_ < 0) fail();
  }
  replacing_file(replacing_file const&) = delete;
  replacing_file& operator=(replacing_file const&) = delete;
  ~replacing_file() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  void write(void const* bytes, std::size_t n) {
    auto const* from = static_cast<char const*>(bytes);
    while (n > 0) {
      ssize_t const done = ::write(descriptor_, from, n);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail();
      from += done;
      n -= static_cast<std::size_t>(done);
    }
  }
  void commit() {
    // Before the rename, or a crash might leave the new name with no contents.
    if (::fsync(descriptor_) != 0) fail();
    if (::close(std::exchange(descriptor_, -1)) != 0) fail();
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail();
    temporary_.clear();
  }

private:
  // A constructor that throws runs no destructor; by then there is no file.
  [[noreturn]] void fail() const { fail_with_errno(path_, "cannot be written"); }

  std::string path_, temporary_;
  int descriptor_ = -1;
};

} // namespace detail
IA_NN_END
