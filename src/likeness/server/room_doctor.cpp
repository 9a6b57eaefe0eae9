// SPDX-License-Identifier: Apache-2.0
#include "likeness/server/app.h"

namespace likeness::server {

void add_doctor_routes(Router& router, App& app) {
  auto& doctor =
      router.add("GET", "/v1/doctor", "what this machine has, and what is missing",
                 [&app](const Request&) { return Response::json(app.parts().doctor()); });
  doctor.lane = Lane::kSlow;
  router.add("GET", "/v1/openapi.json", "this interface, described",
             [&router, &app](const Request&) {
               return Response::json(router.openapi(app.parts().version));
             });
}

}  // namespace likeness::server
