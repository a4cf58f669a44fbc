// SPDX-License-Identifier: Apache-2.0
//
// Non-maximum suppression: of boxes that lie upon each other the one with the best score stays.
//
//   1. for each image and class    candidates are the boxes with score > threshold, of which the best
//                                  `candidates` go on; from the best down each is a detection unless its
//                                  overlap with a detection of its class is above the IoU threshold
//   2. for each image              the best `detections` of all classes, best first
//
//   IoU(a, b) = common / (area a + area b - common)       corners x0 y0 x1 y1, area (x1 - x0) (y1 - y0)
//
// A new candidate is compared with the detections so far, which lie as a structure of arrays, a register
// of them at a time:
//
//   x0 [..............][..............]     y0, x1, y1, area alike
//
// What is not obvious:
//
//   equal scores          the lower number of the box is first; in step 2 the lower class, then the box
//   a score of NaN        is above no threshold: no candidate
//   a box without area    (x1 <= x0, y1 <= y0, a NaN among its corners) overlaps nothing: it is neither
//                         suppressed nor suppresses; so is one whose area overflows: its IoU is 0 or NaN
//
// Classes and images are tasks of their own and keys are never equal, so results have the same bits for
// any number of threads.
#pragma once

#include <ia_nn/arch/cpu.hpp>
#include <ia_nn/arch/lanes.hpp>
#include <ia_nn/core/executor.hpp>
#include <ia_nn/core/workspace.hpp>
#include <ia_nn/ops/select.hpp>

#include <ia_nn/begin.hpp>

/// The numbers of a suppression.
struct suppression_shape {
  index_t boxes = 1, classes = 1;  ///< of an image
  bool boxes_of_classes = false;   ///< each class has boxes of its own: [boxes][classes][4]
  index_t background = -1;         ///< a class that is passed over; -1: none
  f32 score_threshold = 0;         ///< candidates have more
  f32 iou_threshold = 0.5F;        ///< detections of a class overlap by no more
  index_t candidates = 400;        ///< of a class, at most
  index_t per_class = 200;         ///< detections of a class, at most
  index_t detections = 200;        ///< of an image, at most
};

/// One call. What is null is not wanted. Behind the detections that there are, indices and classes are
/// -1, numbers 0.
struct suppression_call {
  index_t batch = 1;
  f32 const* boxes = nullptr;  ///< [batch][boxes][4], or [batch][boxes][classes][4]
  f32 const* scores = nullptr; ///< [batch][boxes][classes]
  s32* counts = nullptr;       ///< [batch]: how many detections there are
  s32* indices = nullptr;      ///< [batch][detections]: the number of the box
  s32* classes = nullptr;      ///< [batch][detections]
  f32* rows = nullptr;         ///< [batch][detections][6]: class, score, x0, y0, x1, y1
};

/// Errors at construction: errc::bad_shape (no boxes or classes, 2^32 scores of an image and more),
/// errc::bad_parameter (thresholds that are NaN, an IoU threshold outside [0, 1], a background that is no
/// class, limits below 1), errc::unsupported_isa.
template <isa::tag I> class suppression {
  using V = vec<f32, I>;

public:
  explicit suppression(suppression_shape const& s, index_t max_batch = 1, int workers = 1)
      : s_(s), max_batch_(max_batch), workers_(workers) {
    isa::require<typename detail::vec_tag<I>::type>();
    auto const number = [](index_t n) { return std::to_string(n); };
    if (s.boxes < 1 || s.classes < 1 || s.boxes > index_t{UINT32_MAX} / s.classes)
      throw_error(errc::bad_shape, "suppression: " + number(s.boxes) + " boxes of " +
                                       number(s.classes) +
                                       " classes; there must be some, and less than 2^32 scores");
    if (max_batch < 1 || workers < 1)
      throw_error(errc::bad_parameter, "suppression: batches of " + number(max_batch) + ", " +
                                           number(workers) + " workers");
    if (s.score_threshold != s.score_threshold || !(s.iou_threshold >= 0 && s.iou_threshold <= 1))
      throw_error(errc::bad_parameter,
                  "suppression: the threshold of scores must be a number, that of the IoU in [0, 1]");
    if (s.background < -1 || s.background >= s.classes)
      throw_error(errc::bad_parameter, "suppression: the background is class " + number(s.background) +
                                           " of " + number(s.classes));
    if (s.candidates < 1 || s.per_class < 1 || s.detections < 1)
      throw_error(errc::bad_parameter, "suppression: " + number(s.candidates) + " candidates, " +
                                           number(s.per_class) + " of a class, " +
                                           number(s.detections) + " detections of an image: not one");
    s_.candidates = min_of(s.candidates, s.boxes);
    s_.per_class = min_of(s.per_class, s_.candidates);
    lanes_ = round_up(s_.per_class, index_t{16});
    lists_ = round_up(max_batch * s_.classes * 8, 64);
    kept_ = round_up(max_batch * s_.classes * s_.per_class * 8, 64);
    worker_ = round_up(max_of(s_.candidates, min_of(s_.detections, s_.classes * s_.per_class)) * 8, 64) +
              5 * lanes_ * 4;
  }

  suppression_shape const& shape() const noexcept { return s_; }
  index_t workspace_bytes() const noexcept { return lists_ + kept_ + workers_ * worker_; }

  template <executor E = sequential>
  void run(suppression_call const& c, workspace_view scratch, E&& e = {}) const noexcept {
    IA_NN_ASSERT(c.batch <= max_batch_, "suppression: a batch of ", c.batch, ", at most ", max_batch_);
    IA_NN_ASSERT(scratch.holds(workspace_bytes()), "suppression: a workspace of ", scratch.size,
                 " bytes, run needs ", workspace_bytes());
    auto* const counts = reinterpret_cast<std::int64_t*>(scratch.data);
    auto* const kept = reinterpret_cast<key*>(scratch.data + lists_);
    std::byte* const own = scratch.data + lists_ + kept_;
    run_tasks(e, workers_, c.batch * s_.classes, [&](index_t list, int worker) {
      counts[list] = class_of(c, list, kept + list * s_.per_class, own + worker * worker_);
    });
    run_tasks(e, workers_, c.batch, [&](index_t image, int worker) {
      index_t const first = image * s_.classes;
      merge(c, image, counts + first, kept + first * s_.per_class, own + worker * worker_);
    });
  }

private:
  using key = detail::sort_key;

  // Detections of a class, a register of them at a time: x0, y0, x1, y1, area.
  struct boxes_of_class {
    f32* array[5];
    index_t count = 0;

    void add(f32 const* box, f32 area) noexcept {
      for (int d = 0; d < 4; ++d) array[d][count] = box[d];
      array[4][count++] = area;
    }
    bool overlap(f32 const* box, f32 area, f32 most) const noexcept {
      V const zero = V::zero(), limit = V::broadcast(most), one = V::broadcast(1.0F);
      V found = zero;
      V const x0 = V::broadcast(box[0]), y0 = V::broadcast(box[1]), x1 = V::broadcast(box[2]),
              y1 = V::broadcast(box[3]), own = V::broadcast(area);
      detail::each_register<V>(0, count, [&](index_t i, auto at) IA_NN_LAMBDA {
        auto const load = [&](int d) IA_NN_LAMBDA { return at.template load<V>(array[d] + i); };
        V const w = max(min(x1, load(2)) - max(x0, load(0)), zero);
        V const h = max(min(y1, load(3)) - max(y0, load(1)), zero);
        V const iou = w * h / fma(-w, h, own + load(4));
        found = max(found, at.keep(select(limit < iou, one, zero), zero));
      });
      return highest(found) > 0;
    }
  };

  static f32 area_of(f32 const* b) noexcept {
    f32 const w = b[2] - b[0], h = b[3] - b[1];
    return w > 0 && h > 0 ? w * h : 0.0F;
  }
  f32 const* box_of(suppression_call const& c, index_t image, index_t k, index_t i) const noexcept {
    index_t const at = image * s_.boxes + i;
    return c.boxes + (s_.boxes_of_classes ? at * s_.classes + k : at) * 4;
  }

  // Keys of the detections of one class of one image, best first.
  std::int64_t class_of(suppression_call const& c, index_t list, key* kept,
                        std::byte* memory) const noexcept {
    index_t const image = list / s_.classes, k = list % s_.classes;
    if (k == s_.background) return 0;
    auto* const keys = reinterpret_cast<key*>(memory);
    detail::best_keys best(keys, s_.candidates);
    f32 const* const scores = c.scores + image * s_.boxes * s_.classes + k;
    for (index_t i = 0; i < s_.boxes; ++i)
      if (f32 const x = scores[i * s_.classes]; x > s_.score_threshold) best.offer(detail::key_of(x, i));
    best.sort();
    boxes_of_class all;
    auto* const arrays = reinterpret_cast<f32*>(memory + worker_ - 5 * lanes_ * 4);
    for (int d = 0; d < 5; ++d) all.array[d] = arrays + d * lanes_;
    index_t count = 0;
    for (index_t i = 0; i < best.size() && count < s_.per_class; ++i) {
      f32 const* const box = box_of(c, image, k, detail::index_of(best[i]));
      if (f32 const area = area_of(box); area > 0) {
        if (all.overlap(box, area, s_.iou_threshold)) continue;
        all.add(box, area);
      }
      kept[count++] = best[i];
    }
    return count;
  }

  void merge(suppression_call const& c, index_t image, std::int64_t const* counts, key const* kept,
             std::byte* memory) const noexcept {
    index_t const most = min_of(s_.detections, s_.classes * s_.per_class);
    detail::best_keys best(reinterpret_cast<key*>(memory), most);
    constexpr key order = 0xffffffff00000000U;
    for (index_t k = 0; k < s_.classes; ++k)
      for (index_t i = 0; i < counts[k]; ++i) {
        key const one = kept[k * s_.per_class + i];
        index_t const number = k * s_.boxes + detail::index_of(one);
        best.offer((one & order) | static_cast<std::uint32_t>(~number));
      }
    best.sort();
    if (c.counts) c.counts[image] = static_cast<s32>(best.size());
    for (index_t d = 0; d < s_.detections; ++d) {
      bool const is = d < best.size();
      index_t const number = is ? detail::index_of(best[d]) : -1;
      index_t const k = is ? number / s_.boxes : -1, i = is ? number % s_.boxes : -1;
      index_t const at = image * s_.detections + d;
      if (c.indices) c.indices[at] = static_cast<s32>(i);
      if (c.classes) c.classes[at] = static_cast<s32>(k);
      if (!c.rows) continue;
      f32* const row = c.rows + at * 6;
      f32 const* const box = is ? box_of(c, image, k, i) : nullptr;
      row[0] = static_cast<f32>(k);
      row[1] = is ? c.scores[(image * s_.boxes + i) * s_.classes + k] : 0.0F;
      for (int x = 0; x < 4; ++x) row[2 + x] = is ? box[x] : 0.0F;
    }
  }

  suppression_shape s_;
  index_t max_batch_;
  int workers_;
  index_t lanes_ = 0, lists_ = 0, kept_ = 0, worker_ = 0; ///< bytes but for lanes_
};

IA_NN_END
