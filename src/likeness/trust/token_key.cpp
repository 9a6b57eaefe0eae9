// SPDX-License-Identifier: Apache-2.0
#define OPENSSL_SUPPRESS_DEPRECATED  // engines are the old way, and the only one in Debian 12
#include "likeness/trust/token_key.h"

#include <cstdlib>
#include <cstring>

#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/ui.h>

namespace likeness::trust {
namespace {

using Engine = OpenSslPtr<ENGINE, ENGINE_free>;
using Method = OpenSslPtr<UI_METHOD, UI_destroy_method>;

/// Answers the engine's question for the PIN; an empty one says that there is none.
int give_pin(UI* ui, UI_STRING* question) {
  const auto* pin = static_cast<const std::string*>(UI_get0_user_data(ui));
  if (UI_get_string_type(question) != UIT_PROMPT && UI_get_string_type(question) != UIT_VERIFY)
    return 1;
  if (!pin || pin->empty()) return 0;
  return UI_set_result_ex(ui, question, pin->data(), static_cast<int>(pin->size())) == 0;
}

}  // namespace

evp_pkey_st* key_of_token(const std::string& uri, const std::string& pin) {
  ENGINE_load_dynamic();
  const Engine engine(ENGINE_by_id("pkcs11"));
  evp_pkey_st* key = nullptr;
  if (engine) {
    ENGINE_ctrl_cmd_string(engine.get(), "QUIET", nullptr, 0);  // it would print the URI
    if (const char* module = std::getenv("LIKENESS_PKCS11_MODULE"); module && *module)
      ENGINE_ctrl_cmd_string(engine.get(), "MODULE_PATH", module, 0);
    if (ENGINE_init(engine.get()) == 1) {
      const Method ask(UI_create_method("likeness token"));
      if (ask) {
        UI_method_set_reader(ask.get(), give_pin);
        std::string given = pin;
        key = ENGINE_load_private_key(engine.get(), uri.c_str(), ask.get(), &given);
        OPENSSL_cleanse(given.data(), given.size());
      }
      ENGINE_finish(engine.get());  // the key holds its own reference
    }
  }
  ERR_clear_error();
  return key;
}

}  // namespace likeness::trust
