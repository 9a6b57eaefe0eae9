// SPDX-License-Identifier: Apache-2.0
// The WebSocket of one page.
#pragma once

#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "likeness/server/connection.h"

namespace likeness::server {

/// `request` was admitted. ?from= and ?boot= say what the page knows already.
void serve_events(boost::beast::tcp_stream stream,
                  boost::beast::http::request<boost::beast::http::empty_body> upgrade,
                  const Request& request, Shared& shared);
void serve_events(boost::beast::ssl_stream<boost::beast::tcp_stream> stream,
                  boost::beast::http::request<boost::beast::http::empty_body> upgrade,
                  const Request& request, Shared& shared);

}  // namespace likeness::server
