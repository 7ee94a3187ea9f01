//! order-svc as we ask it: it decides about accept, reject and cancel. Never called inside a transaction.

use std::time::Duration;

use actix_web::http::StatusCode;
use anyhow::Context as _;
use pannier_contracts::OrderId;
use pannier_contracts::order::OrderState;
use pannier_platform::Cause;
use pannier_platform::http::Problem;
use reqwest::redirect::Policy;
use serde::Serialize;

use crate::domain::following::OrderNow;

/// A tablet waits for us, and we answer within five seconds whatever happens.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where order-svc answers. Cheap to clone: the connections are shared.
#[derive(Debug, Clone)]
pub struct OrderService {
    client: reqwest::Client,
    url: String,
}

/// What is asked, in the words of order-svc's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// May the shop take it?
    Accept,
    /// May it be turned away?
    Reject,
    /// May the shop give it back?
    Cancel,
}

/// In whose name, and as which action: asked again with the same key, order-svc answers again what it answered before.
#[derive(Debug, Clone)]
pub struct InTheNameOf<'a> {
    /// The shop's token.
    pub bearer: &'a str,
    /// The shop's idempotency key.
    pub key: &'a str,
    /// The trace that goes on there.
    pub cause: &'a Cause,
}

/// What order-svc says.
#[derive(Debug)]
pub enum Verdict {
    /// It is done, and this is the order now.
    Agreed(OrderNow),
    /// Not in the state that the order is in.
    Decided {
        /// Where it is.
        state: OrderState,
        /// What to tell the tablet.
        problem: Box<Problem>,
    },
    /// Not like this: a token that ran out meanwhile, a twin that is still running.
    Refused(Box<Problem>),
}

impl OrderService {
    /// Prepares to ask; connects when first asked.
    ///
    /// # Errors
    /// When the URL is of no use.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(url.starts_with("http://"), "order_url is {url:?}; it looks like http://127.0.0.1:8081");
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // A token goes to whom it was meant for, and nowhere else.
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .context("cannot prepare to ask order-svc")?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    /// Asks.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood: then it may have happened or not; ask again with the same key.
    pub async fn ask(
        &self,
        order: OrderId,
        question: Question,
        body: &impl Serialize,
        who: InTheNameOf<'_>,
    ) -> anyhow::Result<Verdict> {
        let word = match question {
            Question::Accept => "accept",
            Question::Reject => "reject",
            Question::Cancel => "shop-cancel",
        };
        let response = self
            .client
            .post(format!("{}/v1/orders/{order}/{word}", self.url))
            .bearer_auth(who.bearer)
            .header("idempotency-key", who.key)
            .header("traceparent", who.cause.trace.traceparent())
            .json(body)
            .send()
            .await?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await?;
        match status {
            200 => Ok(Verdict::Agreed(serde_json::from_slice(&bytes).context("order-svc's answer is no order")?)),
            400..=499 => {
                let problem: Problem = serde_json::from_slice(&bytes).context("order-svc's answer is no problem")?;
                Ok(understand(problem))
            }
            _ => anyhow::bail!("order-svc answered {status}"),
        }
    }
}

fn understand(problem: Problem) -> Verdict {
    let state = problem.state.as_deref().and_then(|s| s.parse().ok());
    match state {
        Some(state) if problem.status == StatusCode::CONFLICT.as_u16() => {
            Verdict::Decided { state, problem: Box::new(problem) }
        }
        _ => Verdict::Refused(Box::new(problem)),
    }
}
