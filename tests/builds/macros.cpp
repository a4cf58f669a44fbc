// SPDX-License-Identifier: Apache-2.0
//
// All headers behind those of others, which define short names as macros; -std=gnu++20, where
// complex.h has its I. The macros must be there again afterwards.

// What the standard library and the readers' libraries make of such macros is theirs.
#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>
#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#endif

#include <arpa/nameser.h>
#include <complex.h>
#include <linux/keyboard.h>
#include <netdb.h>
#include <signal.h>
#include <sys/dir.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/sysmacros.h>
#include <sys/user.h>
#include <syslog.h>
#include <termios.h>
#if __has_include(<term.h>)
#include <term.h>
#endif

// ncurses, where it is not installed
#if !defined(columns)
#define columns CUR Columns
#define lines CUR Lines
#endif
// Qt, without QT_NO_KEYWORDS
#define signals public
#define slots
#define emit
#define foreach(item, list) for (item : list)
#define forever for (;;)
// X11
#define None 0L
#define Bool int
#define Status int
#define Success 0
#define True 1
#define False 0
#define Always 2
#define Above 0
#define Complex 0
#define Convex 2
#define KeyPress 2
#define Unsorted 0
#undef index
#define index(s, c) (strchr((s), (c)))
// Windows, and portable programs
#define small char
#define hyper double
#define near
#define far
#define interface struct
#define ERROR 0
#define IN
#define OUT
#undef DELETE
#define DELETE 0x10000
#define OPTIONAL
#define CONST const
#undef min
#undef max
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define PI 3.14159265
#define abs_diff(a, b) ((a) > (b) ? (a) - (b) : (b) - (a))
// glib
#define _(text) (text)
#define N_(text) text
// others
#define HIGH 1
#define LOW 0
#define INPUT 0
#define OUTPUT 1

#include "every_header.hpp"

#if !defined(I) || !defined(K) || !defined(columns) || !defined(direct) || !defined(index) ||      \
    !defined(lines) || !defined(far) || !defined(near)
#error "the library keeps a macro"
#endif

class counter { // as Qt's users write it
signals:
  void changed(int) {}
public slots:
  void add(int n) { emit changed(n); }
};

int main() {
  counter c;
  c.add(min(1, max(2, 3)));
  auto const z = 2.0F * I; // _Complex
  return __imag__ z == 2.0F ? 0 : 1;
}
