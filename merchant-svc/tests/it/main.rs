//! merchant-svc on a real database with a scripted order-svc and without a broker. Tests pass events to the handlers as
//! bytes.

mod news;
mod profile;
mod shop;
mod stream;
mod tickets;
