// SPDX-License-Identifier: Apache-2.0
// Where the studio listens: this machine only, or another address with TLS and a password.
#pragma once

#include <string>
#include <vector>

#include "likeness/cli/session.h"
#include "likeness/server/server.h"

namespace likeness::cli {

struct DoorArgs {
  std::string listen;              ///< "ADDRESS" or "ADDRESS:PORT", "[IPv6]:PORT"
  std::vector<std::string> hosts;  ///< further names browsers may use
  std::string tls_cert, tls_key, password_file;
  bool tls_self_signed = false;
};

void add_door_flags(CLI::App* command, DoorArgs& args);
/// Everything of ServerOptions but the sessions' files. Asks for a password on the terminal where
/// none is kept yet. Throws kUsage when another address lacks TLS or a password.
server::ServerOptions door_of(const DoorArgs& args, int port);

}  // namespace likeness::cli
