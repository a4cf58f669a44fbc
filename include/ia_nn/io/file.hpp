// SPDX-License-Identifier: Apache-2.0
//
// Files that are opened for reading, with their length known before the first byte is believed, and
// what readers say where memory does not suffice.
#pragma once

#include <ia_nn/io/npy_header.hpp>

#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <new>
#include <span>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <ia_nn/begin.hpp>
namespace detail {

[[noreturn]] inline void no_memory(std::string_view name) {
  throw_error(errc::out_of_memory, "there is no memory for '" + std::string(name) + "'");
}
/// f(), which reads or writes `name`. Where the standard library finds no memory for it the error
/// is errc::out_of_memory; by then what f had is free again.
template <class F> auto within_memory(std::string_view name, F&& f) -> decltype(f()) {
  IA_NN_TRY { return f(); }
  IA_NN_CATCH(std::bad_alloc const& none) {}
  IA_NN_CATCH(std::length_error const& too_long) {}
  no_memory(name);
}

[[noreturn]] inline void fail_with_errno(std::string_view name, char const* what) {
  npy_fail(name, std::string(what) + ": " + std::generic_category().message(errno));
}

/// The bytes of a file that is mapped and not read: only those that are looked at take memory, and
/// the system may take it back. For as long as this object lives nobody may make the file shorter.
/// Errors: errc::bad_file, errc::out_of_memory.
class mapped_file {
public:
  mapped_file(int descriptor, std::size_t size, std::string_view name) {
    if (size == 0) return; // there is nothing to map
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (at == MAP_FAILED && errno == ENOMEM) no_memory(name);
    if (at == MAP_FAILED) fail_with_errno(name, "cannot be mapped");
    bytes_ = {static_cast<std::byte const*>(at), size};
  }
  mapped_file(mapped_file const&) = delete;
  mapped_file& operator=(mapped_file const&) = delete;
  ~mapped_file() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  std::span<std::byte const> bytes() const noexcept { return bytes_; }

private:
  std::span<std::byte const> bytes_;
};

// What readers read from has its size(), gives the next n bytes by read(to, n), and all that is
// left by rest().

/// A file in memory that somebody else owns.
class viewed_bytes {
public:
  explicit viewed_bytes(std::span<std::byte const> file) : file_(file) {}
  std::uint64_t size() const noexcept { return file_.size(); }
  void read(void* to, std::size_t n) noexcept {
    if (n > 0) __builtin_memcpy(to, file_.data() + at_, n);
    at_ += n;
  }
  std::vector<std::byte> rest() const {
    auto const left = file_.subspan(at_);
    return {left.begin(), left.end()};
  }

protected:
  std::size_t at_ = 0;

private:
  std::span<std::byte const> file_;
};

/// A file in memory that goes to the reader: what is left is not copied to another place.
class owned_bytes : public viewed_bytes {
public:
  explicit owned_bytes(std::vector<std::byte>&& file)
      : viewed_bytes(file), file_(std::move(file)) {}
  std::vector<std::byte> rest() {
    file_.erase(file_.begin(), file_.begin() + static_cast<std::ptrdiff_t>(at_));
    return std::move(file_);
  }

private:
  std::vector<std::byte> file_;
};

/// A file that is open, from its beginning. Errors: errc::bad_file.
class input_file {
public:
  explicit input_file(std::string const& path) : path_(path), descriptor_(path) {
    if (descriptor_.number < 0) fail_with_errno(path_, "cannot be opened");
    struct stat status{};
    if (::fstat(descriptor_.number, &status) != 0) fail_with_errno(path_, "cannot be read");
    // A folder can be opened, and a pipe has no length.
    if (!S_ISREG(status.st_mode)) npy_fail(path_, "cannot be read: it is no regular file");
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  std::uint64_t size() const noexcept { return size_; }
  void read(void* to, std::size_t n) {
    for (auto* next = static_cast<char*>(to); n > 0;) {
      ssize_t const done = ::pread(descriptor_.number, next, n, static_cast<off_t>(at_));
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) fail_with_errno(path_, "cannot be read");
      if (done == 0) npy_fail(path_, "has become shorter while it was read");
      next += done;
      at_ += static_cast<std::uint64_t>(done);
      n -= static_cast<std::size_t>(done);
    }
  }
  std::vector<std::byte> rest() {
    std::vector<std::byte> bytes(static_cast<std::size_t>(size_ - at_));
    read(bytes.data(), bytes.size());
    return bytes;
  }
  void rewind() noexcept { at_ = 0; }
  /// All bytes.
  mapped_file map() const {
    return mapped_file(descriptor_.number, static_cast<std::size_t>(size_), path_);
  }

private:
  struct closed_at_end {
    // O_NONBLOCK: a pipe that nobody writes to is refused, not waited for.
    explicit closed_at_end(std::string const& path) {
      do number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      while (number < 0 && errno == EINTR);
    }
    closed_at_end(closed_at_end const&) = delete;
    closed_at_end& operator=(closed_at_end const&) = delete;
    ~closed_at_end() {
      if (number >= 0) ::close(number);
    }
    int number;
  };

  std::string path_;
  closed_at_end descriptor_;
  std::uint64_t size_ = 0, at_ = 0;
};

/// What unpacks files: `gunzip` is one.
template <class D>
concept decompressor =
    requires(D const& decompress, std::span<std::byte const> file, std::string const& name) {
      { decompress(file, name) } -> std::convertible_to<std::vector<std::byte>>;
    };

/// True if the bytes begin as a gzip file does (RFC 1952).
inline bool begins_as_gzip(unsigned char const* bytes, std::size_t n) noexcept {
  return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

} // namespace detail
IA_NN_END
