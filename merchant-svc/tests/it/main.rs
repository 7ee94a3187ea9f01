//! merchant-svc on a real database, with an order-svc that says what the test wants, and without a broker: news is
//! handed over as bytes, and nothing that a shop does may need one.

mod news;
mod profile;
mod shop;
mod stream;
mod tickets;
