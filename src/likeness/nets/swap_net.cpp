// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/swap_net.h"

#include "likeness/nets/autoencoder.h"
#if __has_include("likeness/nets/fast.h")
#include "likeness/nets/fast.h"
#endif

namespace likeness::nets {

std::shared_ptr<SwapNet> make_net(const NetOptions& options) {
  NetOptions checked = options;
  validate_options(checked);
#if __has_include("likeness/nets/fast.h")
  if (options.family == "fast") return make_fast_net(options);
#endif
  return make_autoencoder(options);
}

}  // namespace likeness::nets
