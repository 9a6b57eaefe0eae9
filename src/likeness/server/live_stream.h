// SPDX-License-Identifier: Apache-2.0
// The WebSocket of a live stream (docs/api.md, "Live voice").
#pragma once

#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "likeness/server/connection.h"

namespace likeness::server {

/// `request` was admitted and names the project.
void serve_live(boost::beast::tcp_stream stream,
                boost::beast::http::request<boost::beast::http::empty_body> upgrade,
                const Request& request, Shared& shared);
void serve_live(boost::beast::ssl_stream<boost::beast::tcp_stream> stream,
                boost::beast::http::request<boost::beast::http::empty_body> upgrade,
                const Request& request, Shared& shared);

}  // namespace likeness::server
