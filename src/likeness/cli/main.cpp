// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"

int main(int argc, char** argv) { return likeness::cli::run_program(argc, argv); }
