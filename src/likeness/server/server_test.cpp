// SPDX-License-Identifier: Apache-2.0
// Everything that decides about a request without a socket.
#include <atomic>
#include <fstream>
#include <mutex>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/server/app.h"
#include "likeness/server/certificate.h"
#include "likeness/server/events.h"
#include "likeness/server/live.h"
#include "likeness/server/password.h"
#include "likeness/server/pool.h"
#include "likeness/server/ranges.h"
#include "likeness/server/router.h"
#include "likeness/server/security.h"
#include "likeness/server/uploads.h"
#include "likeness/server/web_files.h"

namespace likeness::server {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

Request request(const std::string& method, const std::string& target,
                std::map<std::string, std::string> headers = {}) {
  Request r;
  r.method = method;
  r.headers = std::move(headers);
  parse_target(target, r);
  return r;
}
template <typename F>
int status_of(F&& f) {
  try {
    f();
  } catch (const HttpError& e) {
    EXPECT_FALSE(e.what.empty());
    EXPECT_FALSE(e.hint.empty());
    return e.status;
  }
  return 200;
}

TEST(Target, IsDecodedOnceAndChecked) {
  const Request r = request("GET", "/v1/a%20b/?q=1%2B1&e=&q=2&plus=a+b#part");
  EXPECT_EQ(r.segments, (std::vector<std::string>{"v1", "a b"}));
  EXPECT_EQ(r.text("q"), "1+1");
  EXPECT_EQ(r.text("plus"), "a b");
  EXPECT_EQ(r.text("e", "x"), "");
  EXPECT_EQ(request("GET", "/%2520").segments.at(0), "%20");  // once
  for (const char* bad :
       {"", "v1", "http://x/", "/..", "/a/../b", "/a/%2e%2e/b", "/%2e", "/a%2fb", "/a%5cb", "/%00",
        "/%0a", "/%", "/%4", "/%zz", "/a//b", "/%ff", "/%c0%af", "/%ed%a0%80", "/?x=%00"})
    EXPECT_EQ(status_of([&] { request("GET", bad); }), 400) << bad;
  EXPECT_EQ(status_of([&] { request("GET", "/" + std::string(5000, 'a')); }), 400);
  std::string deep;
  for (int i = 0; i < 40; ++i) deep += "/a";
  EXPECT_EQ(status_of([&] { request("GET", deep); }), 400);
}

TEST(Target, NumbersHaveRanges) {
  const Request r = request("GET", "/?a=5&b=-1&c=x&d=99999999999999999999&e=5x");
  EXPECT_EQ(r.number("a", 0, 0, 9), 5);
  EXPECT_EQ(r.number("missing", 7, 0, 9), 7);
  for (const char* name : {"b", "c", "d", "e"})
    EXPECT_EQ(status_of([&] { r.number(name, 0, 0, 9); }), 400) << name;
}

TEST(Body, MustBeAFlatEnoughObject) {
  Request r;
  EXPECT_TRUE(r.json().is_object());
  r.body = R"({"a": 1})";
  EXPECT_EQ(r.json()["a"], 1);
  const std::vector<std::string> bad = {"[1]",
                                        "{",
                                        "1",
                                        "null",
                                        "{\"a\":}",
                                        std::string(100000, '['),
                                        "{\"a\":" + std::string(60, '[')};
  for (const auto& body : bad) {
    r.body = body;
    EXPECT_EQ(status_of([&] { r.json(); }), 400) << body.substr(0, 20);
  }
}

TEST(Routes, MatchMethodsAndIds) {
  Router router;
  router.add("GET", "/v1/p/{project}/m/{media}", "one", [](const Request& r) {
    return Response::json({{"project", r.param("project")}, {"media", r.id("media")}});
  });
  router.add("DELETE", "/v1/p/{project}", "two", [](const Request&) { return Response(); });
  router.add("GET", "/v1/p/list", "three", [](const Request&) { return Response(); });
  Request r = request("GET", "/v1/p/ab-1/m/12");
  EXPECT_EQ(router.match(r).summary, "one");
  EXPECT_EQ(json::parse(*router.match(r).handler(r).body),
            (json{{"project", "ab-1"}, {"media", 12}}));
  r = request("HEAD", "/v1/p/ab/m/1");
  EXPECT_EQ(router.match(r).summary, "one");
  const auto status = [&](const std::string& method, const std::string& target) {
    Request q = request(method, target);
    return status_of([&] { router.match(q).handler(q); });
  };
  EXPECT_EQ(status("POST", "/v1/p/ab"), 405);
  EXPECT_EQ(status("GET", "/v1/p"), 404);
  EXPECT_EQ(status("GET", "/v1/nothing"), 404);
  EXPECT_EQ(status("GET", "/v1/p/ab/m/x1"), 404);  // an id, but no number
  for (const char* id : {".hidden", "a%20b", "a%3ab", "%c3%a4", "~root"})
    EXPECT_EQ(status("DELETE", std::string("/v1/p/") + id), 400) << id;
  EXPECT_EQ(status("DELETE", "/v1/p/" + std::string(200, 'a')), 400);
}

TEST(Routes, BodiesAreCheckedAndDescribed) {
  Router router;
  router.add("POST", "/v1/x", "make", [](const Request&) { return Response(); }).body =
      object_schema({"name: string of it", "size?: integer", "any?: any"});
  const json schema = router.routes()[0]->body;
  EXPECT_NO_THROW(check_body({{"name", "a"}, {"size", 3}, {"any", json::array()}}, schema));
  EXPECT_NO_THROW(check_body({{"name", "a"}, {"size", nullptr}}, schema));
  const std::vector<json> bad_bodies = {json::object(),
                                        {{"name", 3}},
                                        {{"name", "a"}, {"size", 1.5}},
                                        {{"name", "a"}, {"size", "3"}},
                                        {{"name", "a"}, {"other", 1}}};
  for (const json& bad : bad_bodies)
    EXPECT_EQ(status_of([&] { check_body(bad, schema); }), 422) << bad;
  const json api = router.openapi("1");
  EXPECT_EQ(api["paths"]["/v1/x"]["post"]["summary"], "make");
  EXPECT_EQ(api["paths"]["/v1/x"]["post"]["requestBody"]["content"]["application/json"]["schema"],
            schema);
}

struct Gate : ::testing::Test {
  Gatekeeper gate{8123, {}};
  Request ask(const std::string& method, std::map<std::string, std::string> headers) {
    headers.try_emplace("host", "127.0.0.1:8123");
    return request(method, "/v1/projects", std::move(headers));
  }
  int source(const Request& r) {
    return status_of([&] { gate.check_source(r); });
  }
  int session(const Request& r) {
    return status_of([&] { gate.check_session(r); });
  }
};

TEST_F(Gate, OnlyOurNames) {
  for (const char* host : {"127.0.0.1:8123", "localhost:8123", "LOCALHOST:8123", "[::1]:8123"})
    EXPECT_EQ(source(ask("GET", {{"host", host}})), 200) << host;
  for (const char* host :
       {"127.0.0.1", "127.0.0.1:8124", "evil.example", "evil.example:8123", "", "127.0.0.1:8123.",
        "127.0.0.1:8123@evil.example", "127.0.0.2:8123", " 127.0.0.1:8123"})
    EXPECT_EQ(source(ask("GET", {{"host", host}})), 421) << host;
}

TEST_F(Gate, OnlyOurPages) {
  EXPECT_EQ(source(ask("POST", {{"origin", "http://127.0.0.1:8123"}})), 200);
  EXPECT_EQ(source(ask("POST", {{"origin", "http://localhost:8123"}})), 200);
  for (const char* origin : {"https://127.0.0.1:8123", "http://127.0.0.1:9", "http://evil.example",
                             "null", "http://127.0.0.1:8123.evil.example"})
    EXPECT_EQ(source(ask("GET", {{"origin", origin}})), 403) << origin;
  EXPECT_EQ(source(ask("GET", {{"sec-fetch-site", "cross-site"}})), 403);
  EXPECT_EQ(source(ask("GET", {{"sec-fetch-site", "same-site"}})), 403);  // another port
  EXPECT_EQ(source(ask("GET", {{"sec-fetch-site", "same-origin"}})), 200);
  // Following a link to the page is fine, to the interface it is not.
  Request page = request("GET", "/",
                         {{"host", "127.0.0.1:8123"},
                          {"sec-fetch-site", "cross-site"},
                          {"sec-fetch-mode", "navigate"}});
  EXPECT_EQ(source(page), 200);
  EXPECT_EQ(source(ask("GET", {{"sec-fetch-site", "cross-site"}, {"sec-fetch-mode", "navigate"}})),
            403);
}

TEST_F(Gate, CookieAndCsrf) {
  EXPECT_EQ(status_of([&] { gate.login("wrong"); }), 401);
  EXPECT_EQ(status_of([&] { gate.login(""); }), 401);
  EXPECT_EQ(status_of([&] { gate.login(gate.token().substr(1)); }), 401);
  const auto login = gate.login(gate.token());
  for (const char* word : {"HttpOnly", "SameSite=Strict", "Path=/"})
    EXPECT_NE(login.set_cookie.find(word), std::string::npos) << word;
  const std::string cookie = login.set_cookie.substr(0, login.set_cookie.find(';'));
  EXPECT_EQ(session(ask("GET", {})), 401);
  EXPECT_EQ(session(ask("GET", {{"cookie", cookie}})), 200);
  EXPECT_EQ(session(ask("GET", {{"cookie", "other=1; " + cookie + "; more=2"}})), 200);
  EXPECT_EQ(session(ask("GET", {{"cookie", cookie + "0"}})), 401);
  EXPECT_EQ(session(ask("GET", {{"cookie", "x" + cookie}})), 401);
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"}) {
    EXPECT_EQ(session(ask(method, {{"cookie", cookie}})), 403) << method;
    EXPECT_EQ(session(ask(method, {{"cookie", cookie}, {"x-likeness-csrf", "no"}})), 403);
    EXPECT_EQ(session(ask(method, {{"cookie", cookie}, {"x-likeness-csrf", login.csrf}})), 200);
  }
  EXPECT_EQ(cookie.find(login.csrf), std::string::npos);
}

TEST(Sessions, SurviveARestart) {
  const fs::path file =
      fs::temp_directory_path() / ("likeness-sessions-" + std::to_string(::getpid()));
  fs::remove(file);
  std::string cookie;
  {
    Gatekeeper gate(8123, file);
    cookie = gate.login(gate.token()).set_cookie;
    cookie = cookie.substr(0, cookie.find(';'));
  }
  const std::string stored = read_file(file);
  EXPECT_EQ(stored.find(cookie.substr(cookie.find('=') + 1)), std::string::npos);  // only its hash
  Request r = request("GET", "/v1/projects", {{"host", "127.0.0.1:8123"}, {"cookie", cookie}});
  EXPECT_NO_THROW(Gatekeeper(8123, file).check_session(r));
  fs::remove(file);
  EXPECT_EQ(status_of([&] { Gatekeeper(8123, file).check_session(r); }), 401);
}

TEST(Passwords, AreKeptAsSlowSaltedHashes) {
  const std::string kept = hash_password("correct horse battery");
  EXPECT_TRUE(password_matches(kept, "correct horse battery"));
  EXPECT_NE(kept, hash_password("correct horse battery"));  // another salt
  EXPECT_EQ(kept.find("horse"), std::string::npos);
  for (const char* wrong :
       {"", "correct horse batter", "correct horse battery ", "Correct horse battery"})
    EXPECT_FALSE(password_matches(kept, wrong)) << wrong;
  EXPECT_FALSE(password_matches(kept, std::string(2000, 'x')));
  const std::string hash = kept.substr(kept.rfind('$'));
  for (const std::string& damaged :
       {std::string(), std::string("scrypt"), kept.substr(0, kept.size() - 1), kept + "0",
        "scrypt$15$8$1$00" + hash, "scrypt$40$8$1$00" + hash, "scrypt$15$x$1$00" + hash,
        std::string("plain$15$8$1$00$correct horse battery")})
    EXPECT_FALSE(password_matches(damaged, "correct horse battery")) << damaged;
  EXPECT_THROW(hash_password("too short"), Error);
  EXPECT_THROW(hash_password(std::string(5000, 'x')), Error);
}

TEST(LoginLimits, WaitsGrowForOneAddressOnly) {
  LoginLimit limit;
  int64_t now = 1000;
  for (int i = 0; i < LoginLimit::kFreeTries; ++i) EXPECT_EQ(limit.begin("a", now), 0);
  int64_t before = 0;
  for (int i = 0; i < 20; ++i) {
    const int64_t wait = limit.begin("a", now);
    EXPECT_GE(wait, before);
    EXPECT_LE(wait, LoginLimit::kLongestWait);
    before = wait;
    EXPECT_EQ(limit.begin("b", now), 0);
    limit.succeeded("b");
    EXPECT_GT(limit.begin("a", now + wait - 1), 0);  // asking again does not help
    now += wait;
    EXPECT_EQ(limit.begin("a", now), 0);
  }
  EXPECT_EQ(before, LoginLimit::kLongestWait);
  limit.succeeded("a");
  EXPECT_EQ(limit.begin("a", now), 0);
}

TEST(LoginLimits, ManyAddressesGuessNoFaster) {
  LoginLimit limit;
  int tried = 0;
  for (int i = 0; i < 10000; ++i) tried += limit.begin("address " + std::to_string(i), 5000) == 0;
  EXPECT_EQ(tried, LoginLimit::kMostTriesAMinute);
  EXPECT_EQ(limit.begin("another", 5060), 0);
  EXPECT_EQ(client_of_address("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(client_of_address("2001:db8:1:2:3:4:5:6"), client_of_address("2001:db8:1:2::9"));
  EXPECT_NE(client_of_address("2001:db8:1:2::9"), client_of_address("2001:db8:1:3::9"));
}

TEST(Certificates, OwnOneIsKeptUntilANameIsMissing) {
  const fs::path folder =
      fs::temp_directory_path() / ("likeness-tls-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const Certificate first = own_certificate(folder, {"192.0.2.7", "studio.example"});
  EXPECT_EQ(first.fingerprint.size(), 95u);
  EXPECT_EQ(first.names, (std::vector<std::string>{"192.0.2.7", "studio.example"}));
  EXPECT_EQ(own_certificate(folder, {"studio.example"}).fingerprint, first.fingerprint);
  EXPECT_NE(own_certificate(folder, {"2001:db8::5"}).fingerprint, first.fingerprint);
  const auto mode = fs::status(folder / "studio-tls.pem").permissions();
  EXPECT_EQ(mode & (fs::perms::group_all | fs::perms::others_all), fs::perms::none);
  // From files, as others make them.
  const Certificate other = own_certificate(folder, {"192.0.2.8"});
  write_file_atomic(folder / "cert.pem", other.chain_pem);
  write_file_atomic(folder / "key.pem", other.key_pem);
  EXPECT_THROW(read_certificate(folder / "cert.pem", folder / "key.pem"),
               Error);  // readable by all
  fs::permissions(folder / "key.pem", fs::perms::owner_read);
  EXPECT_EQ(read_certificate(folder / "cert.pem", folder / "key.pem").fingerprint,
            other.fingerprint);
  write_file_atomic(folder / "cert.pem", first.chain_pem);
  EXPECT_THROW(read_certificate(folder / "cert.pem", folder / "key.pem"), Error);  // another's key
  write_file_atomic(folder / "studio-tls.pem", "damaged");
  fs::permissions(folder / "studio-tls.pem", static_cast<fs::perms>(0600));
  EXPECT_NE(own_certificate(folder, {"192.0.2.8"}).fingerprint, other.fingerprint);
  fs::remove_all(folder);
}

TEST(PasswordDoor, OnlyHttpsAndOnlyItsNames) {
  Gatekeeper gate(Door{.port = 443,
                       .names = {"192.0.2.7", "Studio.example"},
                       .password = hash_password("correct horse battery")});
  EXPECT_TRUE(gate.token().empty());
  EXPECT_EQ(status_of([&] { gate.login(""); }), 401);
  const auto source = [&](const std::string& host, const std::string& origin) {
    return status_of([&] {
      gate.check_source(request("GET", "/v1/projects", {{"host", host}, {"origin", origin}}));
    });
  };
  EXPECT_EQ(source("192.0.2.7:443", "https://192.0.2.7:443"), 200);
  EXPECT_EQ(source("studio.example", "https://studio.example"), 200);  // 443 is left out
  EXPECT_EQ(source("studio.example", "http://studio.example"), 403);
  EXPECT_EQ(source("127.0.0.1:443", ""), 421);
  EXPECT_EQ(source("localhost", ""), 421);
  EXPECT_EQ(status_of([&] { gate.login_with_password("wrong", "c"); }), 401);
  int64_t waits = 0;
  for (int i = 0; i < 12; ++i) waits += gate.begin_try("guesser") > 0;
  EXPECT_GT(waits, 0);
  EXPECT_EQ(gate.begin_try("c"), 0);
  const auto login = gate.login_with_password("correct horse battery", "c");
  EXPECT_NE(login.set_cookie.find("; Secure"), std::string::npos);
  const std::string cookie = login.set_cookie.substr(0, login.set_cookie.find(';'));
  const Request r = request("GET", "/v1/projects", {{"cookie", cookie}});
  EXPECT_NO_THROW(gate.check_session(r));
  EXPECT_NE(gate.logout(r).find("Max-Age=0"), std::string::npos);
  EXPECT_EQ(status_of([&] { gate.check_session(r); }), 401);
}

TEST(Ranges, ParseAsTheRfcSays) {
  ByteRange r;
  const auto part = [&](const char* text, uint64_t size, uint64_t first, uint64_t last) {
    EXPECT_EQ(parse_range(text, size, r), RangeResult::kPart) << text;
    EXPECT_EQ(r.first, first) << text;
    EXPECT_EQ(r.last, last) << text;
  };
  part("bytes=0-0", 10, 0, 0);
  part("bytes=0-", 10, 0, 9);
  part("bytes=3-99", 10, 3, 9);
  part("bytes=-3", 10, 7, 9);
  part("bytes=-99", 10, 0, 9);
  for (const char* text : {"bytes=10-", "bytes=10-20", "bytes=-0"})
    EXPECT_EQ(parse_range(text, 10, r), RangeResult::kUnsatisfiable) << text;
  EXPECT_EQ(parse_range("bytes=0-", 0, r), RangeResult::kUnsatisfiable);
  for (const char* text : {"", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=0-1,3-4",
                           "items=0-1", "bytes=1", "bytes=--1", "bytes=99999999999999999999-"})
    EXPECT_EQ(parse_range(text, 10, r), RangeResult::kWhole) << text;
}

TEST(Ranges, FilesAnswerWithTagsAndParts) {
  const fs::path file =
      fs::temp_directory_path() / ("likeness-range-" + std::to_string(::getpid()) + ".mp4");
  write_file_atomic(file, "0123456789");
  const auto header = [](const Response& r, const std::string& name) {
    for (const auto& [n, v] : r.headers)
      if (n == name) return v;
    return std::string();
  };
  Response whole = file_response(request("GET", "/"), file);
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.type, "video/mp4");
  EXPECT_EQ(whole.file->length, 10u);
  const std::string tag = header(whole, "ETag");
  EXPECT_EQ(file_response(request("GET", "/", {{"if-none-match", tag}}), file).status, 304);
  Response part = file_response(request("GET", "/", {{"range", "bytes=2-4"}}), file);
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.file->offset, 2u);
  EXPECT_EQ(part.file->length, 3u);
  EXPECT_EQ(header(part, "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(
      file_response(request("GET", "/", {{"range", "bytes=2-4"}, {"if-range", tag}}), file).status,
      206);
  EXPECT_EQ(
      file_response(request("GET", "/", {{"range", "bytes=2-4"}, {"if-range", "\"old\""}}), file)
          .status,
      200);
  EXPECT_EQ(file_response(request("GET", "/", {{"range", "bytes=99-"}}), file).status, 416);
  write_file_atomic(file, "changed");
  EXPECT_NE(header(file_response(request("GET", "/"), file), "ETag"), tag);
  fs::remove(file);
  EXPECT_THROW(file_response(request("GET", "/"), file), Error);
}

TEST(EventRing, ReplaysWhatWasMissed) {
  Events events(4);
  std::vector<std::string> heard;
  const auto listen = [&](const Events::Message& m) { heard.push_back(*m); };
  const auto seqs = [](const std::vector<Events::Message>& all) {
    std::vector<uint64_t> out;
    for (const auto& m : all) {
      const json j = json::parse(*m);
      if (j["type"] != "hello" && j["type"] != "reset") out.push_back(j["seq"]);
    }
    return out;
  };
  for (int i = 1; i <= 3; ++i) events.publish("job", "p", {{"n", i}});
  auto s = events.subscribe(1, events.boot(), listen);
  EXPECT_EQ(json::parse(*s.first[0])["type"], "hello");
  EXPECT_EQ(json::parse(*s.first[0])["boot"], events.boot());
  EXPECT_EQ(seqs(s.first), (std::vector<uint64_t>{2, 3}));
  events.publish("job", "", {});
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(json::parse(heard[0])["seq"], 4);
  EXPECT_TRUE(json::parse(heard[0])["project"].is_null());
  events.unsubscribe(s.id);
  for (int i = 0; i < 4; ++i) events.publish("job", "p", {});  // 5..8: 1..4 are gone
  EXPECT_EQ(heard.size(), 1u);
  EXPECT_EQ(seqs(events.subscribe(4, events.boot(), listen).first),
            (std::vector<uint64_t>{5, 6, 7, 8}));
  const auto is_reset = [&](uint64_t from, const std::string& boot) {
    const auto first = events.subscribe(from, boot, listen).first;
    return first.size() == 2 && json::parse(*first[1])["type"] == "reset";
  };
  EXPECT_TRUE(is_reset(3, events.boot()));  // no longer kept
  EXPECT_TRUE(is_reset(2, "another run"));
  EXPECT_TRUE(is_reset(100, events.boot()));  // from the future
  EXPECT_FALSE(is_reset(8, events.boot()));
  EXPECT_EQ(events.subscribe(0, "", listen).first.size(), 1u);  // a new page needs no past
}

struct UploadTest : ::testing::Test {
  void SetUp() override {
    folder = fs::temp_directory_path() / ("likeness-uploads-" + std::to_string(::getpid()));
    fs::remove_all(folder);
    project = std::make_unique<project::Project>(project::Project::create(folder));
  }
  void TearDown() override {
    project.reset();
    fs::remove_all(folder);
  }
  size_t left() const {
    size_t n = 0;
    std::error_code ec;
    for (const auto& f : fs::recursive_directory_iterator(folder / "work", ec))
      n += f.is_regular_file();
    return n;
  }
  ErrorCode code(const std::function<void()>& f) {
    try {
      f();
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::kInternal;
  }
  fs::path folder;
  std::unique_ptr<project::Project> project;
  Uploads uploads;
};

TEST_F(UploadTest, PiecesMakeAFile) {
  const auto id = uploads.begin("p", *project, "../../etc/my clip.mp4", 6);
  EXPECT_EQ(uploads.put("p", id, 0, "abc"), 3);
  EXPECT_EQ(code([&] { uploads.finish("p", id); }), ErrorCode::kUsage);
  EXPECT_EQ(code([&] { uploads.put("p", id, 4, "e"); }), ErrorCode::kUsage);  // a hole
  EXPECT_EQ(uploads.put("p", id, 1, "bc"), 3);                                // sent again
  EXPECT_EQ(code([&] { uploads.put("p", id, 3, "toolong"); }), ErrorCode::kUsage);
  EXPECT_EQ(code([&] { uploads.put("p", id, -1, "x"); }), ErrorCode::kUsage);
  EXPECT_EQ(code([&] { uploads.put("other", id, 3, "def"); }), ErrorCode::kNotFound);
  EXPECT_EQ(uploads.put("p", id, 3, "def"), 6);
  const fs::path file = uploads.finish("p", id);
  EXPECT_EQ(read_file(file), "abcdef");
  EXPECT_EQ(file.filename(), "my clip.mp4");
  EXPECT_EQ(file.lexically_relative(folder / "work" / "uploads").begin()->string(), id);
  uploads.drop("p", id);
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(code([&] { uploads.put("p", id, 0, "x"); }), ErrorCode::kNotFound);
}

TEST_F(UploadTest, NothingIsLeftOfWhatCannotBe) {
  EXPECT_EQ(code([&] { uploads.begin("p", *project, "a.mp4", 0); }), ErrorCode::kBadInput);
  EXPECT_EQ(code([&] { uploads.begin("p", *project, "a.mp4", -5); }), ErrorCode::kBadInput);
  EXPECT_EQ(code([&] { uploads.begin("p", *project, "a.mp4", int64_t{1} << 60); }),
            ErrorCode::kNoSpace);
  EXPECT_EQ(left(), 0u);
  const auto id = uploads.begin("p", *project, "a.mp4", 6);
  uploads.put("p", id, 0, "abc");
  uploads.drop("other", id);
  EXPECT_EQ(left(), 1u);
  uploads.drop("p", id);
  EXPECT_EQ(left(), 0u);
}

TEST(Lanes, TheNewestWaitingRequestWins) {
  Pool pool(1, 2);
  std::mutex mutex;
  std::condition_variable wake;
  bool go = false;
  std::vector<int> ran, given_up;
  int running = 0;
  for (int i = 0; i < 5; ++i) {
    pool.post(
        [&, i] {
          std::unique_lock lock(mutex);
          ++running;
          wake.notify_all();
          wake.wait(lock, [&] { return go; });
          ran.push_back(i);
          wake.notify_all();
        },
        [&, i] { given_up.push_back(i); });
    std::unique_lock lock(mutex);
    if (i == 0) wake.wait(lock, [&] { return running == 1; });
  }
  std::unique_lock lock(mutex);
  go = true;
  wake.notify_all();
  wake.wait(lock, [&] { return ran.size() == 3; });
  EXPECT_EQ(ran, (std::vector<int>{0, 3, 4}));
  EXPECT_EQ(given_up, (std::vector<int>{1, 2}));
}

TEST(WebFiles, RoomsGetThePageAndFilesTheirTags) {
  ASSERT_FALSE(web_files().empty());
  const Response page = static_response(request("GET", "/swap/abc"));
  EXPECT_EQ(page.type, "text/html; charset=utf-8");
  EXPECT_GT(page.body->size(), 50u);
  EXPECT_EQ(*page.body, *static_response(request("GET", "/")).body);
  EXPECT_EQ(*page.body, *static_response(request("GET", "/p/film/outputs/take.mp4")).body);
  EXPECT_EQ(status_of([&] { static_response(request("GET", "/assets/none.js")); }), 404);
  EXPECT_EQ(status_of([&] { static_response(request("GET", "/none.js")); }), 404);
  EXPECT_EQ(status_of([&] { static_response(request("POST", "/")); }), 405);
  std::string tag;
  for (const auto& [name, value] : page.headers)
    if (name == "ETag") tag = value;
  EXPECT_EQ(static_response(request("GET", "/", {{"if-none-match", tag}})).status, 304);
  const Response zipped = static_response(request("GET", "/", {{"accept-encoding", "gzip, br"}}));
  if (zipped.body->size() != page.body->size()) {
    EXPECT_EQ(zipped.body->substr(0, 2), "\x1f\x8b");
  }
}

TEST(Uploads, OfAJobAreFoundWhereverTheyAreNamed) {
  const nlohmann::json arguments = {
      {"file", "work/files/a1/x.wav"},
      {"many", {"work/recordings/b2/y.wav", "work/recordings/b2/z.txt"}},
      {"deep", {{"take", "work/takes/c3/t.wav"}}},
      {"other", "outputs/work/files/d/x.wav"},
      {"up", "work/files/../../etc/passwd"},
      {"flat", "work/files/alone.wav"},
      {"unknown", "work/locks/e/x"},
      {"number", 7}};
  const std::vector<std::filesystem::path> wanted = {"work/files/a1", "work/recordings/b2",
                                                     "work/takes/c3"};
  EXPECT_EQ(uploads_of(arguments), wanted);
  EXPECT_TRUE(uploads_of(nullptr).empty());
}

TEST(LiveVoice, OneAtATimeAndNeverBesideAJobThatComputes) {
  jobs::Queue queue({}, {});
  std::atomic<bool> heard{false};
  Live live(queue, [&](const LiveRequest& r) {
    r.tell({{"type", "ready"}});
    char byte = 0;
    heard = ::read(r.in, &byte, 1) == 0;  // until its sound ends
    return nlohmann::json{{"rehearsal", r.rehearsal}};
  });
  std::mutex mutex;
  std::vector<std::string> said;
  std::atomic<int> ended{0};
  int open_end = -1;
  const auto begin = [&](const std::string& voice) {
    int in[2], out[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
    LiveRequest request{.voice = voice, .rehearsal = true, .in = in[1], .out = out[1]};
    request.tell = [&](nlohmann::json m) {
      std::lock_guard lock(mutex);
      said.push_back(m["type"]);
    };
    const auto closed = [&] {
      ::close(in[0]);
      ::close(out[0]);
    };
    try {
      live.begin("p", std::move(request), [&] { ++ended; });
    } catch (...) {
      closed();
      throw;
    }
    ::close(out[0]);  // the other end of the sound stays open: only stop() ends it
    if (open_end >= 0) ::close(open_end);
    open_end = in[0];
  };
  EXPECT_TRUE(live.now().is_null());
  begin("ada");
  EXPECT_EQ(live.now()["voice"], "ada");
  EXPECT_THROW(begin("ben"), Error);
  EXPECT_EQ(live.now()["voice"], "ada");
  live.stop("another project");
  EXPECT_FALSE(live.now().is_null());
  live.stop("p");
  live.finish();
  EXPECT_TRUE(heard);
  EXPECT_TRUE(live.now().is_null());
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(said, (std::vector<std::string>{"ready", "done"}));
  begin("ben");  // the next may follow
  live.finish();
  EXPECT_EQ(ended, 2);
  ::close(open_end);
}

TEST(Names, OfUploadsAreSafe) {
  EXPECT_TRUE(is_id("abc-1.2_X"));
  for (const char* bad : {"", ".", "..", ".a", "a/b", "a b", "ä", "a\n"}) EXPECT_FALSE(is_id(bad));
  EXPECT_EQ(id_of("my clip (2)"), "my_clip__2_");
  EXPECT_TRUE(is_id(id_of("")));
  EXPECT_TRUE(is_id(id_of("..")));
  EXPECT_TRUE(is_id(id_of(std::string(300, 'x'))));
}

}  // namespace
}  // namespace likeness::server
