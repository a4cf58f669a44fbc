// SPDX-License-Identifier: Apache-2.0
//
// A bounded number of things that are costly to make: what has not been used for longest goes.
#pragma once

#include <ia_nn/core/types.hpp>

#include <list>

#include <ia_nn/begin.hpp>

/// Values by key, the last used first. Keys are compared in full, one after the other: there are few. A value
/// stays where it is until it goes.
template <class Key, class Value> class lru_cache {
public:
  /// At least one value is kept.
  explicit lru_cache(index_t capacity) : capacity_(capacity < 1 ? 1 : capacity) {}

  /// The value of `key`, by `make()` if there is none. What make throws is thrown on, and the cache is what it
  /// was.
  template <class Make> Value& get(Key const& key, Make const& make) {
    for (auto i = all_.begin(); i != all_.end(); ++i)
      if (i->key == key) {
        ++hits_;
        all_.splice(all_.begin(), all_, i);
        return i->value;
      }
    std::list<entry> fresh;
    fresh.push_back({key, make()});
    ++misses_;
    all_.splice(all_.begin(), fresh);
    if (size() > capacity_) all_.pop_back(), ++evictions_;
    return all_.front().value;
  }

  index_t capacity() const noexcept { return capacity_; }
  index_t size() const noexcept { return static_cast<index_t>(all_.size()); }
  index_t hits() const noexcept { return hits_; }
  index_t misses() const noexcept { return misses_; }
  index_t evictions() const noexcept { return evictions_; }

private:
  struct entry {
    Key key;
    Value value;
  };
  std::list<entry> all_;
  index_t capacity_, hits_ = 0, misses_ = 0, evictions_ = 0;
};

IA_NN_END
