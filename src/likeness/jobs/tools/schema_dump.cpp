// SPDX-License-Identifier: Apache-2.0
// Prints the task catalogue as JSON: what GET /v1/tasks answers.
#include <cstdio>

#include "likeness/jobs/catalogue.h"

int main() {
  const std::string text = likeness::jobs::task_catalogue().dump(1) + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? 0 : 1;
}
