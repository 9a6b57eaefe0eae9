// SPDX-License-Identifier: Apache-2.0
// The part of c2pa-rs's C interface (crate c2pa-c-ffi 0.91) that Likeness uses. The wheel the
// library comes from has no header, so the functions are declared here; c2pa_test.cpp checks the
// version.
//
// Convention of all of them: null or a negative number means failure and c2pa_error() says why;
// everything returned is given back with c2pa_free. `with_*` functions take their first argument
// over, also when they fail. Only c2pa.cpp includes this.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
struct C2paBuilder;
struct C2paContext;
struct C2paContextBuilder;
struct C2paReader;
struct C2paSettings;
struct C2paSigner;
struct C2paStream;

using C2paRead = intptr_t (*)(void* context, uint8_t* data, intptr_t size);
using C2paSeek = intptr_t (*)(void* context, intptr_t offset,
                              int whence);  // 0 start, 1 here, 2 end
using C2paWrite = intptr_t (*)(void* context, const uint8_t* data, intptr_t size);
using C2paFlush = intptr_t (*)(void* context);
/// Gives the number of signature bytes written to `out`, or a negative number.
using C2paSign = intptr_t (*)(const void* context, const uint8_t* data, size_t size, uint8_t* out,
                              size_t capacity);

char* c2pa_version();
char* c2pa_error();
int c2pa_free(const void* pointer);

C2paStream* c2pa_create_stream(void* context, C2paRead read, C2paSeek seek, C2paWrite write,
                               C2paFlush flush);
void c2pa_release_stream(C2paStream* stream);

C2paSettings* c2pa_settings_new();
int c2pa_settings_update_from_string(C2paSettings* settings, const char* text, const char* format);
C2paContextBuilder* c2pa_context_builder_new();
int c2pa_context_builder_set_settings(C2paContextBuilder* builder, C2paSettings* settings);
C2paContext* c2pa_context_builder_build(C2paContextBuilder* builder);

C2paSigner* c2pa_signer_create(const void* context, C2paSign sign, int algorithm,
                               const char* chain_pem, const char* time_authority_url);

C2paBuilder* c2pa_builder_from_context(C2paContext* context);
C2paBuilder* c2pa_builder_with_definition(C2paBuilder* builder, const char* json);
void c2pa_builder_set_no_embed(C2paBuilder* builder);
int c2pa_builder_add_resource(C2paBuilder* builder, const char* uri, C2paStream* stream);
int c2pa_builder_add_ingredient_from_stream(C2paBuilder* builder, const char* json,
                                            const char* format, C2paStream* source);
int64_t c2pa_builder_sign(C2paBuilder* builder, const char* format, C2paStream* source,
                          C2paStream* out, C2paSigner* signer, const uint8_t** manifest);

C2paReader* c2pa_reader_from_context(C2paContext* context);
C2paReader* c2pa_reader_with_stream(C2paReader* reader, const char* format, C2paStream* stream);
C2paReader* c2pa_reader_with_manifest_data_and_stream(C2paReader* reader, const char* format,
                                                      C2paStream* stream, const uint8_t* manifest,
                                                      size_t size);
char* c2pa_reader_json(C2paReader* reader);
char* c2pa_reader_crjson(C2paReader* reader);
}
