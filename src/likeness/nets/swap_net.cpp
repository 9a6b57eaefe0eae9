// SPDX-License-Identifier: Apache-2.0
#include "likeness/nets/swap_net.h"

#include "likeness/nets/autoencoder.h"
#include "likeness/nets/fast.h"

namespace likeness::nets {

std::shared_ptr<SwapNet> make_net(const NetOptions& options) {
  NetOptions checked = options;
  validate_options(checked);
  if (options.family == "fast") return make_fast_net(options);
  return make_autoencoder(options);
}

}  // namespace likeness::nets
