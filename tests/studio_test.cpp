// SPDX-License-Identifier: Apache-2.0
// The real `likeness studio` on loopback: who may ask, what bad clients get, and that work
// survives.
#include <chrono>
#include <csignal>
#include <thread>

#include "studio_client.h"

#include "likeness/base/atomic_file.h"
#include "likeness/media/video.h"
#include "likeness/project/project.h"

namespace likeness::tests {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;
using Headers = std::map<std::string, std::string>;

class StudioTest : public ProgramTest {
 protected:
  void start(std::vector<std::string> args = {"film"}) {
    if (!fs::exists(folder_ / "film")) ok({"project", "new", "film"});
    if (tls_)
      args.insert(args.end(), {"--listen", "127.0.0.2", "--tls-self-signed", "--password-file",
                               password_file()});
    studio = std::make_unique<Studio>(folder_, args);
    ASSERT_TRUE(studio->running());
    studio->login(tls_ ? kPassword : "");
  }
  void SetUp() override {
    ProgramTest::SetUp();
    if (const char* home = std::getenv("LIKENESS_HOME")) home_before_ = home;
    ::setenv("LIKENESS_HOME", (folder_ / "home").c_str(), 1);  // no password of another test
  }
  void TearDown() override {
    studio.reset();
    if (home_before_.empty())
      ::unsetenv("LIKENESS_HOME");
    else
      ::setenv("LIKENESS_HOME", home_before_.c_str(), 1);
    ProgramTest::TearDown();
  }
  std::string base() const { return "/v1/projects/" + studio->project; }
  /// Any address but 127.0.0.1 counts as another machine's, also those of the loopback network.
  std::string password_file(const std::string& password = kPassword, int mode = 0600) const {
    const fs::path file = folder_ / "password.txt";
    write_file_atomic(file, password + "\n");
    fs::permissions(file, static_cast<fs::perms>(mode));
    return file.string();
  }
  /// The server still answers, and nobody crashed it.
  void is_well() { EXPECT_EQ(studio->get(base()).status, 200); }
  json job(int64_t id) {
    for (const auto& j : studio->ok("GET", base() + "/jobs"))
      if (j["id"] == id) return j;
    return nullptr;
  }
  void wait_for(int64_t id, const std::function<bool(const json&)>& enough) {
    for (int i = 0; i < 2400; ++i) {
      const json j = job(id);
      if (enough(j)) return;
      if (j["state"] == "failed") break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << job(id);
  }
  static constexpr const char* kPassword = "four words that fit";
  bool tls_ = false;
  std::string home_before_;
  std::unique_ptr<Studio> studio;
};

/// The same must hold on this machine and over TLS from another one.
class StudioDoorTest : public StudioTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    tls_ = GetParam();
    StudioTest::SetUp();
  }
};
INSTANTIATE_TEST_SUITE_P(Studio, StudioDoorTest, ::testing::Values(false, true),
                         [](const auto& p) { return p.param ? "Tls" : "Plain"; });

void expect_error(const Answer& a, int status) {
  EXPECT_EQ(a.status, status) << a.body;
  const json j = a.json();
  ASSERT_TRUE(j.is_object() && j.contains("error")) << a.body;
  for (const char* field : {"code", "what", "hint"})
    EXPECT_FALSE(j["error"].value(field, "").empty()) << field << " " << a.body;
}

TEST_P(StudioDoorTest, OnlyItsOwnPageMayAsk) {
  start();
  const std::string list = "/v1/projects";
  EXPECT_EQ(studio->get(list).status, 200);
  expect_error(studio->get(list, {{"Host", "evil.example"}}), 421);
  expect_error(studio->get("/", {{"Host", "evil.example:" + std::to_string(studio->port)}}), 421);
  expect_error(studio->get(list, {{"Host", studio->address + ":1"}}), 421);
  expect_error(studio->get(list, {{"Host", "127.0.0.9:" + std::to_string(studio->port)}}), 421);
  expect_error(studio->get(list, {{"Origin", "http://evil.example"}}), 403);
  expect_error(studio->get(list, {{"Origin", (tls_ ? "http://" : "https://") + studio->host()}}),
               403);
  expect_error(studio->get(list, {{"Sec-Fetch-Site", "cross-site"}}), 403);
  expect_error(studio->get(list, {{"Cookie", ""}}), 401);
  expect_error(studio->get(list, {{"Cookie", studio->cookie + "x"}}), 401);
  const std::string body = R"({"name":"x"})";
  expect_error(studio->send("POST", list, body, {{"X-Likeness-CSRF", ""}}), 403);
  expect_error(studio->send("POST", list, body, {{"X-Likeness-CSRF", "wrong"}}), 403);
  expect_error(studio->send("POST", list, body, {{"Origin", "null"}}), 403);
  EXPECT_EQ(studio->send("POST", list, body, {{"Origin", studio->origin()}}).status, 201);
  expect_error(studio->send("POST", "/v1/session",
                            tls_ ? R"({"password":"guess"})" : R"({"token":"guess"})"),
               401);
  expect_error(studio->send("POST", "/v1/session", "{}"), 422);
  const Answer page = studio->get("/swap/anything", {{"Cookie", ""}});
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.headers.at("content-security-policy").find("default-src 'self'"),
            std::string::npos);
  EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(page.headers.count("access-control-allow-origin"), 0u);
  is_well();
}

TEST_P(StudioDoorTest, PathsAreNeverIds) {
  start();
  write_file_atomic(folder_ / "secret.txt", "secret");
  for (const char* path :
       {"/../secret.txt", "/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt",
        "/v1/projects/..%2f..%2ffilm", "/v1/projects/../film"})
    expect_error(studio->get(path), 400);
  for (const char* id : {"..%2f..%2fsecret.txt", "..", "%2e%2e", ".hidden", "a%2fb", "a%00b"}) {
    for (const std::string what : {"/media/", "/models/", "/outputs/", "/facesets/", "/jobs/"}) {
      const Answer a = studio->get(base() + what + id + "/file");
      EXPECT_TRUE(a.status == 400 || a.status == 404) << what << id << " " << a.status;
      EXPECT_EQ(a.body.find("secret\n"), std::string::npos);
    }
    const Answer restored = studio->send("POST", base() + "/trash/" + std::string(id) + "/restore");
    EXPECT_TRUE(restored.status == 400 || restored.status == 404) << id;
  }
  expect_error(studio->send("POST", "/v1/projects", R"({"name":"../evil"})"), 400);
  EXPECT_FALSE(fs::exists(folder_ / "evil"));
  expect_error(studio->send("POST", "/v1/projects/open", R"({"path":"film"})"), 400);
  expect_error(studio->send("POST", "/v1/projects/open", R"({"path":"/etc"})"), 404);
  const json begun =
      studio->ok("POST", base() + "/uploads", {{"name", "../../../evil.mp4"}, {"size", 4}});
  const std::string upload = base() + "/uploads/" + begun["upload"].get<std::string>();
  EXPECT_EQ(studio->send("PUT", upload + "?offset=0", "text").status, 200);
  expect_error(studio->send("POST", upload + "/done", "{}"), 422);  // text is no video
  for (const auto& f : fs::recursive_directory_iterator(folder_))
    EXPECT_EQ(f.path().filename().string().find("evil"), std::string::npos) << f.path();
  is_well();
}

TEST_P(StudioDoorTest, BadUploadsSayWhyAndLeaveNothing) {
  start();
  const std::string uploads = base() + "/uploads";
  expect_error(studio->send("POST", uploads, R"({"name":"empty.mp4","size":0})"), 422);
  expect_error(studio->send("POST", uploads, R"({"name":"huge.mp4","size":1000000000000000000})"),
               507);
  expect_error(studio->send("POST", uploads, R"({"name":"a.mp4","size":"big"})"), 422);
  const json begun = studio->ok("POST", uploads, {{"name", "a.mp4"}, {"size", 10}});
  const std::string upload = uploads + "/" + begun["upload"].get<std::string>();
  expect_error(studio->send("PUT", upload + "?offset=0", std::string(11, 'x')), 400);
  expect_error(studio->send("PUT", upload + "?offset=-1", "x"), 400);
  expect_error(studio->send("POST", upload + "/done", "{}"), 400);  // not all there
  EXPECT_EQ(studio->send("DELETE", upload).status, 200);
  // A body larger than any piece is refused from its header alone.
  const Answer big =
      studio->send("PUT", upload + "?offset=0", "x", {{"Content-Length", "999999999"}});
  expect_error(big, 413);
  expect_error(studio->send("POST", uploads, std::string(2 << 20, ' ')), 413);
  std::string chunked =
      studio->text("POST", uploads, "", {{"Transfer-Encoding", "chunked"}, {"Content-Length", ""}});
  Wire wire(studio->place());
  wire.send(chunked);
  for (int i = 0; i < 40; ++i)
    if (!wire.send("10000\r\n" + std::string(0x10000, ' ') + "\r\n")) break;
  EXPECT_EQ(wire.read_answer().status, 413);
  EXPECT_EQ(studio->ok("GET", base() + "/media").size(), 0u);
  EXPECT_TRUE(fs::is_empty(folder_ / "film/media"));
  EXPECT_TRUE(!fs::exists(folder_ / "film/work/uploads") ||
              fs::is_empty(folder_ / "film/work/uploads"));
  is_well();
}

TEST_P(StudioDoorTest, SlowAndBrokenClientsAreDroppedWhileOthersAreServed) {
  start();
  Wire silent(studio->place(), 30), drip(studio->place(), 30);
  drip.send("GET /v1/proj");
  std::atomic<bool> stop{false};
  std::thread dripping([&] {  // a byte now and then keeps no connection alive
    while (!stop && drip.send("e")) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  });
  for (int i = 0; i < 20; ++i) is_well();
  EXPECT_TRUE(silent.is_closed_by_server());
  stop = true;
  dripping.join();
  EXPECT_TRUE(drip.is_closed_by_server());
  for (const std::string& garbage :
       {std::string("\x16\x03\x01\x02\x00\x01\x00", 7), std::string("GET\r\n\r\n"),
        std::string("GET / HTTP/9.9\r\nHost: x\r\n\r\n"), std::string(200000, 'A'),
        std::string("POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n") + std::string(30000, 'h') + ": 1\r\n\r\n",
        std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        std::string("\0\0\0\0\r\n\r\n", 8)}) {
    Wire wire(studio->place());
    wire.send(garbage);
    const Answer a = wire.read_answer();
    EXPECT_TRUE(a.status == 0 || a.status >= 400) << a.status;
    EXPECT_TRUE(wire.is_closed_by_server() || a.status == 421);
  }
  is_well();
}

std::string handshake(const Studio& s, const std::string& path, Headers headers) {
  headers["Upgrade"] = "websocket";
  headers["Connection"] = "Upgrade";
  headers["Sec-WebSocket-Version"] = "13";
  headers["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ==";
  return s.text("GET", path, "", headers);
}
/// The text of the next frame; pings and others are passed over.
json next_event(Wire& wire) {
  for (;;) {
    const std::string head = wire.read_exactly(2);
    if (head.size() < 2) return nullptr;
    size_t length = static_cast<unsigned char>(head[1]) & 0x7f;
    if (length >= 126) {
      const std::string more = wire.read_exactly(length == 126 ? 2 : 8);
      length = 0;
      for (unsigned char c : more) length = length << 8 | c;
    }
    const std::string text = wire.read_exactly(length);
    if ((head[0] & 0x0f) == 1) return json::parse(text, nullptr, false);
  }
}

TEST_P(StudioDoorTest, EventsResumeAndMalformedFramesEndOnlyTheirOwnStream) {
  start();
  for (const Headers& bad : {Headers{{"Origin", "http://evil.example"}}, Headers{{"Cookie", ""}},
                             Headers{{"Host", "evil.example"}}}) {
    Wire wire(studio->place());
    wire.send(handshake(*studio, "/v1/events", bad));
    EXPECT_GE(wire.read_answer().status, 400);
  }
  Wire first(studio->place());
  first.send(handshake(*studio, "/v1/events", {{"Origin", studio->origin()}}));
  ASSERT_EQ(first.read_answer().status, 101);
  const json hello = next_event(first);
  EXPECT_EQ(hello["type"], "hello");
  studio->ok("POST", base() + "/subjects", {{"name", "ben"}, {"kind", "synthetic"}});
  const json event = next_event(first);
  EXPECT_EQ(event["type"], "project");
  EXPECT_EQ(event["what"], "subjects");
  EXPECT_EQ(event["project"], studio->project);
  const std::string boot = hello["boot"];
  const auto resumed = [&](const std::string& query) {
    Wire wire(studio->place());
    wire.send(handshake(*studio, "/v1/events?" + query, {}));
    EXPECT_EQ(wire.read_answer().status, 101);
    next_event(wire);
    return next_event(wire);
  };
  const auto before = std::to_string(event["seq"].get<int64_t>() - 1);
  if (before != "0") {
    EXPECT_EQ(resumed("from=" + before + "&boot=" + boot), event);
  }
  EXPECT_EQ(resumed("from=" + before + "&boot=other")["type"], "reset");
  EXPECT_EQ(resumed("from=999999")["type"], "reset");
  EXPECT_EQ(resumed("from=nonsense")["type"], "reset");
  for (const std::string& frame :
       {std::string("\x81\x05hello"),                                         // not masked
        std::string("\xf1\x80\0\0\0\0", 6),                                   // reserved bits
        std::string("\x83\x80\0\0\0\0", 6),                                   // unknown opcode
        std::string("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14),  // enormous
        std::string("\x89\xfe\xff\xff\0\0\0\0", 8),                           // a ping too long
        std::string("\x81\x81\0\0\0\0\xff", 7),                               // not UTF-8
        std::string(5000, '\xff')}) {
    Wire wire(studio->place());
    wire.send(handshake(*studio, "/v1/events", {}));
    ASSERT_EQ(wire.read_answer().status, 101);
    wire.send(frame);
    EXPECT_TRUE(wire.is_closed_by_server());
  }
  studio->ok("POST", base() + "/subjects", {{"name", "ava"}, {"kind", "synthetic"}});
  EXPECT_EQ(next_event(first)["what"], "subjects");
}

/// A frame as browsers send it: masked.
std::string frame_of(const std::string& payload, bool binary) {
  std::string out = {static_cast<char>(binary ? 0x82 : 0x81)};
  if (payload.size() < 126) {
    out += static_cast<char>(0x80 | payload.size());
  } else {
    out += static_cast<char>(0x80 | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size() & 0xff);
  }
  return out + std::string(4, '\0') + payload;
}

TEST_P(StudioDoorTest, ALiveStreamIsAskedForAndRefusedInWords) {
  start();
  const std::string live = base() + "/live";
  EXPECT_TRUE(studio->ok("GET", live).is_null());
  for (const Headers& bad : {Headers{{"Origin", "http://evil.example"}}, Headers{{"Cookie", ""}}}) {
    Wire wire(studio->place());
    wire.send(handshake(*studio, live, bad));
    EXPECT_GE(wire.read_answer().status, 400);
  }
  const auto refused = [&](const std::string& first, const char* code) {
    Wire wire(studio->place());
    wire.send(handshake(*studio, live, {{"Origin", studio->origin()}}));
    ASSERT_EQ(wire.read_answer().status, 101);
    wire.send(frame_of(std::string(512, '\0'), true));  // sound before anything was asked for
    wire.send(frame_of(first, false));
    const json said = next_event(wire);
    ASSERT_TRUE(said.is_object()) << first;
    EXPECT_EQ(said["type"], "error");
    EXPECT_EQ(said["error"]["code"], code) << said;
    EXPECT_FALSE(said["error"].value("hint", "").empty()) << said;
    EXPECT_TRUE(wire.is_closed_by_server());
  };
  refused("no json", "usage");
  refused("[]", "usage");
  refused(R"({"voice":7})", "usage");
  refused(R"({"voice":"nobody"})", "not_found");
  refused(R"({"voice":"nobody","rehearsal":"yes"})", "usage");
  studio->ok("POST", base() + "/subjects", {{"name", "mary"}, {"kind", "person"}});
  refused(R"({"voice":"mary","options":{"nonsense":1}})", "usage");
  refused(R"({"voice":"mary"})", "not_found");  // nothing is trained
  for (const std::string& frame : {std::string("\x82\x05hello"), std::string(5000, '\xff')}) {
    Wire wire(studio->place());
    wire.send(handshake(*studio, live, {}));
    ASSERT_EQ(wire.read_answer().status, 101);
    wire.send(frame);
    EXPECT_TRUE(wire.is_closed_by_server());
  }
  EXPECT_TRUE(studio->ok("GET", live).is_null());
  is_well();
}

TEST_P(StudioDoorTest, AClipIsUploadedScrubbedAndPlayed) {
  start();
  const json row = studio->upload(studio->project, clip("ben-train", 0, 30));
  EXPECT_EQ(row["frames"], 30);
  EXPECT_EQ(row["width"], 384);
  EXPECT_EQ(row["playable"], true);
  EXPECT_EQ(row["audio"], true);
  const std::string clip_base = base() + "/media/" + row["id"].dump();
  const auto picture = [&](int n) {
    const Answer a = studio->get(clip_base + "/frame/" + std::to_string(n) + "?format=png");
    EXPECT_EQ(a.status, 200);
    write_file_atomic(folder_ / "frame.png", a.body);
    return media::read_image(folder_ / "frame.png");
  };
  const auto truth = frames_of(clip("ben-train", 0, 30));
  for (int n : {0, 1, 2, 20, 19, 18, 5, 29, 0})  // forwards, backwards, jumps
    EXPECT_EQ(picture(n).data, truth[static_cast<size_t>(n)].data) << n;
  expect_error(studio->get(clip_base + "/frame/30"), 404);
  expect_error(studio->get(clip_base + "/frame/-1"), 404);
  const Answer small = studio->get(clip_base + "/frame/3?width=96");
  const Image8 image = media::decode_image(small.body.data(), small.body.size());
  EXPECT_EQ(image.width, 96);
  EXPECT_EQ(
      studio->get(clip_base + "/frame/3?width=96", {{"If-None-Match", small.headers.at("etag")}})
          .status,
      304);
  const Answer strip = studio->get(clip_base + "/strip?count=5&height=40");
  EXPECT_EQ(strip.headers.at("x-likeness-strip"), "5,40,40");
  EXPECT_EQ(media::decode_image(strip.body.data(), strip.body.size()).width, 200);
  EXPECT_EQ(studio->ok("GET", clip_base + "/waveform?points=50")["peaks"].size(), 50u);
  const std::string bytes = read_file(folder_ / "film/media" / row["name"].get<std::string>());
  const Answer part = studio->get(clip_base + "/file", {{"Range", "bytes=100-299"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, bytes.substr(100, 200));
  EXPECT_EQ(studio->get(clip_base + "/file").body, bytes);
  EXPECT_EQ(studio->get(clip_base + "/file", {{"Range", "bytes=99999999-"}}).status, 416);
  const json gone = studio->ok("DELETE", clip_base);
  EXPECT_EQ(studio->ok("GET", base() + "/media").size(), 0u);
  studio->ok("POST", base() + "/trash/" + gone["trash"].get<std::string>() + "/restore",
             json::object());
  EXPECT_EQ(studio->ok("GET", base() + "/media")[0]["id"], row["id"]);
}

TEST_F(StudioTest, AnotherAddressNeedsTlsAndAPassword) {
  ok({"project", "new", "film"});
  const std::vector<std::string> listen = {"studio", "--no-browser", "--listen", "127.0.0.2"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), listen.begin(), listen.end());
    return more;
  };
  fails(with({}), "usage", "TLS");
  fails(with({"--password-file", password_file()}), "usage", "TLS");
  fails(with({"--tls-self-signed"}), "usage", "password");
  fails(with({"--tls-self-signed", "--password-file", password_file("short")}), "usage",
        "12 characters");
  fails(with({"--tls-self-signed", "--password-file", password_file(kPassword, 0644)}), "refused",
        "password.txt");
  fails(
      with({"--tls-cert", "none.pem", "--tls-key", "none.pem", "--password-file", password_file()}),
      "not_found", "none.pem");
  write_file_atomic(folder_ / "cert.pem", "no certificate");
  write_file_atomic(folder_ / "key.pem", "no key");
  fs::permissions(folder_ / "key.pem", static_cast<fs::perms>(0600));
  fails(
      with({"--tls-cert", "cert.pem", "--tls-key", "key.pem", "--password-file", password_file()}),
      "bad_input", "cert.pem");
  fails({"studio", "--no-browser", "--listen", "0.0.0.0", "--tls-self-signed", "--password-file",
         password_file()},
        "usage", "name");
  fails({"studio", "--no-browser", "--listen", "192.0.2.1", "--tls-self-signed", "--password-file",
         password_file()},
        "io", "192.0.2.1");
  fails({"studio", "--no-browser", "--listen", "not an address"}, "usage", "IP address");
}

TEST_F(StudioTest, ThePasswordOpensAndGuessingIsSlow) {
  tls_ = true;
  start();
  EXPECT_TRUE(studio->token.empty());
  EXPECT_EQ(Wire(studio->place()).fingerprint(), studio->fingerprint);
  EXPECT_EQ(studio->fingerprint.size(), 95u);
  const Answer login =
      studio->send("POST", "/v1/session", json{{"password", kPassword}}.dump(), {{"Cookie", ""}});
  ASSERT_EQ(login.status, 200);
  const std::string& cookie = login.headers.at("set-cookie");
  EXPECT_EQ(cookie.rfind("__Host-", 0), 0u) << cookie;
  for (const char* word : {"; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/"})
    EXPECT_NE(cookie.find(word), std::string::npos) << word;
  // Nothing of the password lies about: not on the disk, not among the arguments.
  for (const auto& f : fs::recursive_directory_iterator(folder_))
    if (f.is_regular_file() && f.path().filename() != "password.txt") {
      EXPECT_EQ(read_file(f.path()).find(kPassword), std::string::npos) << f.path();
    }
  // Plain HTTP on the port is closed without a word; a client that says nothing, soon.
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string()}) {
    Wire plain(studio->place(false), 30);
    plain.send(bytes);
    EXPECT_EQ(plain.read_answer().status, 0);
    EXPECT_TRUE(plain.is_closed_by_server());
  }
  const auto guess = [&](const std::string& password) {
    return studio->send("POST", "/v1/session", json{{"password", password}}.dump(),
                        {{"Cookie", ""}});
  };
  Answer a;
  int wrong = 0;
  for (int i = 0; i < 12 && (a = guess("wrong " + std::to_string(i))).status == 401; ++i) ++wrong;
  EXPECT_GE(wrong, 2);
  EXPECT_LE(wrong, 8);
  expect_error(a, 429);
  EXPECT_GE(std::stoi(a.headers.at("retry-after")), 1);
  is_well();  // who is in stays in
  EXPECT_EQ(studio->send("DELETE", "/v1/session").status, 200);
  expect_error(studio->get(base()), 401);
}

TEST_F(StudioTest, ANewPasswordEndsTheOldSessions) {
  tls_ = true;
  start();
  const std::string port = std::to_string(studio->port), cookie = studio->cookie,
                    fingerprint = studio->fingerprint;
  EXPECT_EQ(studio->stop(), 0);
  const std::vector<std::string> again = {"film",   "--listen", "127.0.0.2",
                                          "--port", port,       "--tls-self-signed"};
  studio = std::make_unique<Studio>(folder_, again);  // the password that was set
  ASSERT_TRUE(studio->running());
  EXPECT_EQ(studio->fingerprint, fingerprint);
  EXPECT_EQ(studio->get("/v1/projects", {{"Cookie", cookie}}).status, 200);
  EXPECT_EQ(studio->stop(), 0);
  std::vector<std::string> changed = again;
  changed.insert(changed.end(), {"--password-file", password_file("other words, as many")});
  studio = std::make_unique<Studio>(folder_, changed);
  ASSERT_TRUE(studio->running());
  expect_error(studio->get("/v1/projects", {{"Cookie", cookie}}), 401);
  studio->login("other words, as many");
  EXPECT_EQ(studio->get("/v1/projects").status, 200);
}

TEST_F(StudioTest, TheInterfaceDescribesItselfAndNamesBadOptions) {
  start();
  const json api = studio->ok("GET", "/v1/openapi.json");
  EXPECT_EQ(api["openapi"], "3.1.0");
  for (const char* path : {"/v1/session", "/v1/tasks", "/v1/events", "/v1/projects/{project}/jobs"})
    EXPECT_TRUE(api["paths"].contains(path)) << path;
  const json tasks = studio->ok("GET", "/v1/tasks");
  for (const char* task :
       {"analyse", "extract", "train", "swap", "evaluate", "speak", "voice-convert", "verify",
        "demo", "voice-compare", "voice-abx", "voice-pretrain", "faceset-filter", "faceset-sort",
        "faceset-compact", "faceset-export", "consent-verify", "consent-import"}) {
    ASSERT_TRUE(tasks.contains(task)) << task;
    EXPECT_TRUE(tasks[task]["schema"]["properties"].is_object());
    EXPECT_TRUE(tasks[task]["arguments"]["properties"].is_object());
  }
  EXPECT_TRUE(tasks["train"]["presets"].contains("quick"));
  for (const char* name : {"ben", "ava"})
    studio->ok("POST", base() + "/subjects", {{"name", name}, {"kind", "synthetic"}});
  const json who = {{"model", "m"}, {"identity", "ben"}, {"performer", "ava"}};
  const json command = studio->ok("POST", base() + "/command",
                                  {{"task", "train"},
                                   {"arguments", who},
                                   {"options", {{"steps", 5}, {"batch", 8}, {"masked", false}}}});
  const std::string line = command["command"];
  EXPECT_NE(line.find("--steps 5"), std::string::npos) << line;
  EXPECT_NE(line.find("--no-masked"), std::string::npos) << line;
  EXPECT_EQ(line.find("--batch"), std::string::npos) << line;  // the default
  const auto queue = [&](const json& options, const json& arguments) {
    return studio->send(
        "POST", base() + "/jobs",
        json{{"task", "train"}, {"arguments", arguments}, {"options", options}}.dump());
  };
  const Answer bad = queue({{"steps", 5}, {"batch", 100000}}, who);
  expect_error(bad, 422);
  EXPECT_EQ(bad.json()["error"]["option"], "batch");
  expect_error(queue({{"steps", 5}, {"nonsense", 1}}, who), 422);
  expect_error(queue({{"steps", 5}}, {{"model", "m"}}), 422);
  expect_error(
      queue({{"steps", 5}}, {{"model", "../m"}, {"identity", "ben"}, {"performer", "ava"}}), 422);
  const auto line_of = [&](const char* task, const json& arguments) {
    return studio
        ->ok("POST", base() + "/command", {{"task", task}, {"arguments", arguments}})["command"]
        .get<std::string>();
  };
  EXPECT_NE(line_of("speak", {{"text", "It's me"}, {"voice", "rms"}})
                .find("'It'\\''s me' --voice rms --out "),
            std::string::npos);
  EXPECT_FALSE(studio->ok("GET", base() + "/voices").empty());
  expect_error(studio->send("POST", base() + "/takes", R"({"upload":"../x"})"), 400);
  expect_error(
      studio->send("POST", base() + "/jobs",
                   R"({"task":"voice-convert","arguments":{"take":"../../x","voice":"v"}})"),
      422);
  expect_error(studio->send("POST", base() + "/recordings", R"({"upload":"a","set":"../x"})"), 400);
  const json recordings = {"work/recordings/s/a b.wav", "work/recordings/s/metadata.csv"};
  EXPECT_NE(line_of("voice-enroll", {{"subject", "ava"}, {"recordings", recordings}})
                .find(" ava 'a b.wav' --transcripts metadata.csv"),
            std::string::npos);
  for (const char* bad : {R"(["../../x.wav"])",
                          R"(["work/recordings/a/x.wav",)"
                          R"("work/recordings/b/y.wav"])",
                          R"(["work/recordings/s/only.txt"])", "7"})
    expect_error(studio->send("POST", base() + "/jobs",
                              R"({"task":"voice-enroll","arguments":{"subject":"ava",)"
                              R"("recordings":)" +
                                  std::string(bad) + "}}"),
                 422);
  EXPECT_NE(line_of("verify", {{"file", "work/files/s/x.mp4"}}).find("verify x.mp4 --project "),
            std::string::npos);
  EXPECT_EQ(line_of("voice-compare",
                    {{"first", "work/files/s/a.wav"}, {"second", "work/files/t/b c.wav"}}),
            "likeness voice compare a.wav 'b c.wav'");
  for (const char* file : {"../../x", "work/files/../../x", "work/evidence/a/x", "media/99",
                           "media/x", "outputs/../x", "/etc/passwd", ""})
    EXPECT_GE(studio
                  ->send("POST", base() + "/jobs",
                         json{{"task", "verify"}, {"arguments", {{"file", file}}}}.dump())
                  .status,
              400)
        << file;
  expect_error(studio->send("POST", base() + "/jobs",
                            R"({"task":"voice-abx","arguments":{"a":["work/files/s/a.wav",)"
                            R"("work/files/t/a.wav"],"b":["work/files/u/a.wav"]}})"),
               422);
  expect_error(studio->send("POST", base() + "/jobs",
                            R"({"task":"voice-pretrain","arguments":{"part":"vocoder",)"
                            R"("corpora":["../.."],"licence":"x"}})"),
               422);
  // The voice bank: what to read, and takes that are none.
  const json bank = studio->ok("GET", base() + "/voices/ava/bank?next=2");
  EXPECT_EQ(bank["next"].size(), 2u);
  EXPECT_EQ(bank["sentences_read"], 0);
  expect_error(studio->send("GET", base() + "/voices/nobody/bank"), 404);
  expect_error(studio->send("POST", base() + "/voices/ava/bank/check",
                            R"({"upload":"../x","sentence":"b001"})"),
               400);
  expect_error(studio->send("POST", base() + "/voices/ava/bank/takes",
                            R"({"upload":"none","sentence":"b001"})"),
               404);
  EXPECT_EQ(studio->ok("POST", base() + "/check")["ok"], true);
  const Answer book = studio->get(base() + "/ledger?download=1");
  EXPECT_EQ(book.json()["format"], "likeness-ledger-1");
  EXPECT_NE(book.headers.at("content-disposition").find("film-ledger.json"), std::string::npos);
  expect_error(studio->send("GET", base() + "/consents/ava/export"), 404);
  expect_error(studio->send("DELETE", base() + "/facesets/ava"), 404);
  expect_error(studio->send("PUT", base() + "/jobs/999", R"({"arguments":{},"options":{}})"), 404);
  expect_error(studio->send("GET", base() + "/jobs/999/report"), 404);
  // A person without a consent record: refused when it is asked for, not an hour later.
  studio->ok("POST", base() + "/subjects", {{"name", "mary"}, {"kind", "person"}});
  expect_error(queue({{"steps", 5}}, {{"model", "m"}, {"identity", "mary"}, {"performer", "ava"}}),
               403);
  EXPECT_EQ(studio->ok("GET", base() + "/jobs").size(), 0u);
}

TEST_F(StudioTest, TrainingGoesOnAfterKillAndThePreviewShowsIt) {
  NEEDS_MODELS();
  ok({"project", "new", "film"});
  for (const char* s : {"ben", "ava"}) ok({"subject", "add", "film", s, "--kind", "synthetic"});
  ok({"extract", "film", clip("ben-train", 0, 40).string(), "--subject", "ben"});
  ok({"extract", "film", clip("ava-train", 0, 40).string(), "--subject", "ava"});
  start();
  const json queued =
      studio->ok("POST", base() + "/jobs",
                 {{"task", "train"},
                  {"arguments", {{"model", "m"}, {"identity", "ben"}, {"performer", "ava"}}},
                  {"options",
                   {{"family", "fast"},
                    {"steps", 1000000},
                    {"resolution_px", 64},
                    {"batch", 2},
                    {"ae_dims", 64},
                    {"e_dims", 16},
                    {"d_dims", 16},
                    {"save_every_s", 1},
                    {"preview_every_s", 1},
                    {"schedule", "constant"},
                    {"log_every_steps", 2}}}});
  const int64_t id = queued["id"];
  const auto checkpoints = [&] {
    for (const auto& m : studio->ok("GET", base() + "/models"))
      if (m["name"] == "m") return studio->ok("GET", base() + "/models/m/checkpoints");
    return json(json::array());
  };
  wait_for(id, [&](const json&) { return !checkpoints().empty(); });
  EXPECT_EQ(job(id)["state"], "running");
  const int64_t saved = checkpoints()[0]["step"];
  const std::string port = std::to_string(studio->port), cookie = studio->cookie,
                    csrf = studio->csrf;
  studio->kill();
  start({"film", "--port", port});
  studio->cookie = cookie;  // the page of before, which knows nothing of a new token
  studio->csrf = csrf;
  is_well();
  const auto last_step = [&] {
    int64_t last = 0;  // no step twice, none missing at the cut
    const json log = studio->ok("GET", base() + "/models/m/log");
    for (const auto& row : log["rows"])
      if (!row.contains("event")) {
        EXPECT_GT(row["step"], last);
        last = row["step"];
      }
    return last;
  };
  // A newer checkpoint comes from this run; rows of the log may be from before the kill.
  const int64_t found = checkpoints().back()["step"];
  wait_for(id, [&](const json& j) {
    return j["state"] == "running" && checkpoints().back()["step"] > found;
  });
  EXPECT_GT(last_step(), saved);
  EXPECT_EQ(job(id)["attempt"], 1);
  EXPECT_TRUE(job(id)["report"].is_null()) << "a kill leaves no report";
  expect_error(studio->send("GET", base() + "/jobs/" + std::to_string(id) + "/report"), 404);
  studio->kill(SIGSEGV);
  start({"film", "--port", port});
  studio->cookie = cookie;
  studio->csrf = csrf;
  EXPECT_EQ(job(id)["crashes"], 2);
  const std::string report = studio->get(base() + "/jobs/" + std::to_string(id) + "/report").body;
  for (const std::string& word : std::vector<std::string>{
           "what: SIGSEGV, sent by process",
           "command: ", "processor: ", "(train) of " + (folder_ / "film").string(), "likeness("})
    EXPECT_NE(report.find(word), std::string::npos) << word << "\n" << report;
  EXPECT_EQ(report.find(studio->token), std::string::npos);
  const int64_t after = checkpoints().back()["step"];
  wait_for(id, [&](const json& j) {
    return j["state"] == "running" && checkpoints().back()["step"] > after;
  });
  EXPECT_EQ(studio->ok("GET", base() + "/models")[0]["state"], "training");
  studio->ok("POST", base() + "/jobs/" + std::to_string(id) + "/pause");
  wait_for(id, [](const json& j) { return j["state"] == "paused"; });
  const json model = studio->ok("GET", base() + "/models")[0];
  EXPECT_EQ(model["state"], "ready");
  EXPECT_EQ(model["identity"], "ben");
  EXPECT_GT(model["step"], saved);
  EXPECT_GE(model["step"], last_step());
  EXPECT_EQ(studio->get(base() + "/models/m/preview").body.substr(1, 3), "PNG");

  int64_t ava = 0;
  for (const auto& m : studio->ok("GET", base() + "/media"))
    if (m["name"].get<std::string>().find("ava") == 0) ava = m["id"];
  const auto preview = [&](const json& options, const std::string& query = "") {
    return studio->send(
        "POST", base() + "/preview" + query,
        json{{"media", ava}, {"frame", 5}, {"model", "m"}, {"options", options}, {"width", 384}}
            .dump());
  };
  const Answer swapped = preview(json::object()), none = preview({{"opacity", 0}}),
               original = preview(json::object(), "?original=1");
  ASSERT_EQ(swapped.status, 200) << swapped.body;
  EXPECT_EQ(swapped.headers.at("x-likeness-faces"), "1");
  const auto difference = [](const Answer& a, const Answer& b) {
    const Image8 x = media::decode_image(a.body.data(), a.body.size()),
                 y = media::decode_image(b.body.data(), b.body.size());
    double sum = 0;
    for (size_t i = 0; i < x.data.size(); ++i) sum += std::abs(x.data[i] - y.data[i]);
    return sum / static_cast<double>(x.data.size());
  };
  EXPECT_LT(difference(none, original), 1.5);  // the mark, and JPEG
  EXPECT_GT(difference(swapped, original), difference(none, original) + 0.5);
  expect_error(preview({{"opacity", 7}}), 400);
  // Another film in the same place: nobody has looked at its content.
  fs::path film;
  for (const auto& m : project::Project::open(folder_ / "film").media())
    if (m.id == ava) film = m.path;
  const std::string bytes = read_file(film);
  write_file_atomic(film, bytes + "x");
  const Answer other = preview({{"opacity", 0.5}});
  EXPECT_EQ(other.status, 403) << other.body;
  EXPECT_NE(other.body.find("clip-changed"), std::string::npos) << other.body;
  write_file_atomic(film, bytes);
  EXPECT_EQ(preview({{"opacity", 0.5}}).status, 200);
  // What is drawn goes onto the command line, and into a file where that would be too long.
  const auto polygons_of = [&](int strokes) {
    const json stroke = {{"first", 0},     {"last", 9},    {"kind", "erase"},
                         {"radius", 0.05}, {"on", "face"}, {"points", json(40, json{0.25, 0.5})}};
    const json arguments = {{"media", ava}, {"model", "m"}, {"polygons", json(strokes, stroke)}};
    const std::string line = studio->ok("POST", base() + "/command",
                                        {{"task", "swap"}, {"arguments", arguments}})["command"];
    const size_t begin = line.find("--polygons ") + 11;
    return line.substr(begin, line.find(" --out") - begin);
  };
  const std::string few = polygons_of(2), many = polygons_of(200);
  EXPECT_EQ(json::parse(few.substr(1, few.size() - 2)).size(), 2u) << few;
  EXPECT_EQ(json::parse(read_file(many)).size(), 200u) << many;
  EXPECT_EQ(studio->stop(), 0);
}

}  // namespace
}  // namespace likeness::tests
