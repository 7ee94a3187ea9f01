//! The payment gateway's ledger, read page by page as `docs/payment-gateway.md` describes it.

use anyhow::{Context, ensure};
use pannier_tls::Tls;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// One entry of the gateway's ledger.
#[derive(Debug, Clone, Deserialize)]
pub struct GatewayEntry {
    /// The payment's `pay_…` id.
    pub reference: String,
    /// `authorise`, `capture`, `void` or `refund`.
    pub kind: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// The Idempotency-Key of order-svc's call.
    pub operation_key: String,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<GatewayEntry>,
    next_after: u64,
}

/// Reads the whole ledger of the gateway at this URL.
///
/// # Errors
/// The gateway does not answer, or does not know the key.
pub async fn read_ledger(url: &str, key: &SecretString) -> anyhow::Result<Vec<GatewayEntry>> {
    let http = Tls::default().http().build()?;
    let (mut ledger, mut after) = (Vec::new(), 0);
    loop {
        let page = format!("{}/v1/ledger?after={after}", url.trim_end_matches('/'));
        let answer = http.get(page).bearer_auth(key.expose_secret()).send().await.and_then(|a| a.error_for_status());
        let page = async { answer?.json::<Page>().await }.await.context("the gateway's ledger cannot be read")?;
        if page.data.is_empty() {
            return Ok(ledger);
        }
        ensure!(page.next_after > after, "the gateway's ledger does not go on behind {after}");
        after = page.next_after;
        ledger.extend(page.data);
    }
}
