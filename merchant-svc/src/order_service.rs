//! Client of order-svc, which decides whether a shop may accept, reject or cancel. Never call it inside a transaction.

use std::time::Duration;

use actix_web::http::StatusCode;
use anyhow::Context as _;
use pannier_contracts::OrderId;
use pannier_contracts::order::OrderState;
use pannier_platform::http::Problem;
use pannier_platform::telemetry::calls;
use pannier_platform::{Cause, Metrics, Tls};
use reqwest::redirect::Policy;
use serde::Serialize;

use crate::domain::following::OrderUpdate;
use crate::domain::lifecycle::Action;

/// The longest wait for an answer: shorter than the five seconds in which the shop gets its own.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The client. Clones share its connections.
#[derive(Debug, Clone)]
pub struct OrderService {
    client: reqwest::Client,
    url: String,
    metrics: Metrics,
}

/// What a shop asks of order-svc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShopDecision {
    /// Accept the order.
    Accept,
    /// Reject the order before accepting it.
    Reject,
    /// Cancel an accepted order.
    Cancel,
}

impl ShopDecision {
    /// The same as an action on the ticket.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Accept => Action::Accept,
            Self::Reject => Action::Reject,
            Self::Cancel => Action::Cancel,
        }
    }

    /// The last segment of order-svc's path.
    const fn path(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Cancel => "shop-cancel",
        }
    }
}

/// The shop for which order-svc is asked, and its request.
#[derive(Debug, Clone)]
pub struct OnBehalfOf<'a> {
    /// The shop's token, passed on.
    pub bearer: &'a str,
    /// The shop's idempotency key, passed on: order-svc repeats its first answer to the same key.
    pub key: &'a str,
    /// The trace that continues in order-svc.
    pub cause: &'a Cause,
}

/// What order-svc answered.
#[derive(Debug)]
pub enum OrderReply {
    /// The decision is made; this is the order after it.
    Done(OrderUpdate),
    /// The order's state does not allow the decision.
    Conflict {
        /// The order's state.
        state: OrderState,
        /// The answer for the shop.
        problem: Box<Problem>,
    },
    /// Refused whatever the order's state is: an expired token, or a request with the same key that is still running.
    Refused(Box<Problem>),
}

impl OrderService {
    /// A client for order-svc at this URL. It connects with the first request.
    ///
    /// # Errors
    /// When the URL is not `http://…` or `https://…`.
    pub fn new(url: &str, tls: &Tls, metrics: Metrics) -> anyhow::Result<Self> {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        anyhow::ensure!(is_http, "order_url is {url:?}; it looks like http://127.0.0.1:8081 or https://order-svc:8080");
        let client = tls
            .http()
            .timeout(TIMEOUT)
            // The token must not follow a redirect to another host.
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .context("cannot make the HTTP client for order-svc")?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), metrics })
    }

    /// Asks for a decision about an order.
    ///
    /// # Errors
    /// When there is no answer in time, or one that cannot be read. The decision may have been made or not: ask again with
    /// the same key.
    pub async fn ask(
        &self,
        order: OrderId,
        decision: ShopDecision,
        body: &impl Serialize,
        shop: OnBehalfOf<'_>,
    ) -> anyhow::Result<OrderReply> {
        let request = self
            .client
            .post(format!("{}/v1/orders/{order}/{}", self.url, decision.path()))
            .bearer_auth(shop.bearer)
            .header("idempotency-key", shop.key)
            .json(body);
        let response = calls::send(&self.metrics, "order-svc", decision.path(), &shop.cause.trace, request).await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        match status {
            200 => Ok(OrderReply::Done(serde_json::from_slice(&bytes).context("order-svc's answer is no order")?)),
            400..=499 => {
                let problem: Problem = serde_json::from_slice(&bytes).context("order-svc's answer is no problem")?;
                Ok(reply_of(problem))
            }
            _ => anyhow::bail!("order-svc answered {status}"),
        }
    }
}

fn reply_of(problem: Problem) -> OrderReply {
    let state = problem.state.as_deref().and_then(|s| s.parse().ok());
    match state {
        Some(state) if problem.status == StatusCode::CONFLICT.as_u16() => {
            OrderReply::Conflict { state, problem: Box::new(problem) }
        }
        _ => OrderReply::Refused(Box::new(problem)),
    }
}
