//! The socket of a request, so that an answer can be lost with its connection.

use std::any::Any;
use std::net::Shutdown;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use socket2::{SockRef, Socket};

/// Keeps a second handle of a new connection's socket.
pub fn remember(io: &dyn Any, kept: &mut Extensions) {
    let stream = io.downcast_ref::<TcpStream>();
    // Without a handle, which would need that no file can be opened any more, the caller gets a 500 instead.
    if let Some(Ok(socket)) = stream.map(|stream| SockRef::from(stream).try_clone()) {
        kept.insert(socket);
    }
}

/// Breaks the connection of a request: whatever is answered now does not arrive.
pub(super) fn break_off(request: &HttpRequest) {
    if let Some(socket) = request.conn_data::<Socket>() {
        // It fails only where the caller was faster.
        let _ = socket.shutdown(Shutdown::Both);
    }
}
