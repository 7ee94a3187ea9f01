//! What operations can do about money, and what an early end means for each party.

use pannier_contracts::delivery::{DeliverySnapshot, DeliveryState};
use pannier_contracts::merchant::{MerchantSnapshot, MerchantStatus};
use pannier_contracts::{Version, zone::ZoneSnapshot};
use pannier_testkit::{Answer, eventually};
use serde_json::{Value, json};

use crate::service::{Order, OrderService};
use crate::test_gateway::TestGateway;

impl OrderService {
    async fn correct(&self, order: &Order, action: &str, body: Value) -> Answer {
        let version = self.payment(order).await["version"].clone();
        self.ops.post_if(&format!("/v1/ops/payments/{}/{action}", order.id), &version, body).await
    }

    async fn cancel_by_ops(&self, order: &Order, query: &str) -> Answer {
        let version = self.seen(order).await["version"].clone();
        let body = json!({"reason": "the kitchen burns"});
        self.ops.post_if(&format!("/v1/ops/orders/{}/cancel{query}", order.id), &version, body).await
    }

    async fn payment_is(&self, order: &Order, state: &str) -> Value {
        eventually(&format!("the payment is {state}"), || async {
            let payment = self.payment(order).await;
            (payment["state"] == state).then_some(payment)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_given_back_by_line_and_by_amount_and_no_more_than_was_taken() {
    let gateway = TestGateway::start("parts");
    let service = OrderService::start_at(&gateway).await;
    let order = service.accepted().await;
    let soup = json!({"lines": [{"sku": "soup", "quantity": 1}], "reason": "it was cold"});
    let correction = service.correct(&order, "refund", soup.clone()).await.ok();
    assert_eq!(correction["operations"][2]["amount"]["amount"], 650);
    let payment = service.payment_is(&order, "partially_refunded").await;
    let left = payment["captured"].as_i64().unwrap() - 650;

    for (wrong, why) in [
        (soup, "less than a soup is left"),
        (json!({"lines": [{"sku": "cake", "quantity": 1}], "reason": "r"}), "no cake was ordered"),
        (json!({"amount": left + 1, "reason": "r"}), "more than is left"),
        (json!({"amount": 0, "reason": "r"}), "nothing"),
        (json!({"reason": "r"}), "neither lines nor an amount"),
    ] {
        assert_eq!(service.correct(&order, "refund", wrong).await.code(), "refund_invalid", "{why}");
    }
    service.correct(&order, "refund", json!({"amount": left, "reason": "all of it"})).await.ok();
    service.payment_is(&order, "refunded").await;
    let again = service.correct(&order, "refund", json!({"amount": 1, "reason": "r"})).await;
    assert_eq!(again.code(), "nothing_to_refund");
    assert_eq!(service.seen(&order).await["state"], "accepted", "the order stands");
    assert_eq!(service.operations_in_ledger().await, gateway.ledger().await);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_capture_is_retried_or_written_off() {
    let gateway = TestGateway::start("retry");
    let service = OrderService::start_at(&gateway).await;
    let refused = async |method: &str| {
        let order = service.placed(method).await;
        service.order_is(&order, "paid", "authorised").await;
        service.accept(&order).await.ok();
        service.order_is(&order, "accepted", "failed").await;
        order
    };
    let order = refused("tok_ok-capture-refuse-1").await;
    assert_eq!(service.alarms().await, ["capture_refused"]);
    assert_eq!(service.payment(&order).await["allowed_actions"], json!(["retry", "write-off"]));
    service.correct(&order, "retry", json!({"reason": "the bank is back"})).await.ok();
    service.payment_is(&order, "captured").await;
    assert_eq!(service.alarms().await, [""; 0]);
    assert_eq!(service.ledger(&order).await, ["authorise", "receivable", "capture", "receivable"]);
    assert_eq!(service.correct(&order, "retry", json!({"reason": "r"})).await.code(), "nothing_to_retry");
    assert_eq!(service.correct(&order, "write-off", json!({"reason": "r"})).await.code(), "nothing_owed");

    let order = refused("tok_ok-capture-refuse").await;
    service.correct(&order, "write-off", json!({"reason": "the customer is dead"})).await.ok();
    assert_eq!(service.alarms().await, [""; 0]);
    assert_eq!(service.ledger(&order).await, ["authorise", "receivable", "write_off"]);
    assert_eq!(service.correct(&order, "write-off", json!({"reason": "r"})).await.code(), "nothing_owed");
    assert_eq!(service.operations_in_ledger().await, gateway.ledger().await);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_needs_the_version_that_was_seen() {
    let service = OrderService::start().await;
    let order = service.accepted().await;
    let path = format!("/v1/ops/payments/{}/refund", order.id);
    let body = json!({"amount": 1, "reason": "r"});
    assert_eq!(service.ops.post_if(&path, &json!(1), body).await.code(), "stale_version");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_of_a_cancellation_is_what_happens() {
    let service = OrderService::start().await;
    for order in [service.paid().await, service.accepted().await] {
        let preview = service.cancel_by_ops(&order, "?dry_run=true").await.ok();
        let seen = service.seen(&order).await;
        assert_ne!(seen["state"], "cancelled", "a preview changes nothing");
        assert_eq!(preview["refund"], seen["total"]);
        let cancelled = service.cancel_by_ops(&order, "").await.ok();
        assert_eq!((&cancelled["state"], &cancelled["who_pays"]), (&preview["state"], &preview["who_pays"]));
        assert_eq!(preview["who_pays"]["cause"], "ops_cancelled");
        assert_eq!(service.cancel_by_ops(&order, "?dry_run=true").await.code(), "illegal_transition");
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_not_at_the_door_gets_nothing_back_and_who_was_failed_gets_all() {
    let service = OrderService::start().await;
    for (reason, payment, refund) in [("customer_absent", "captured", 0), ("food_spoilt", "refunded", 100)] {
        let order = service.accepted().await;
        service.receive_delivery(&order, 1, DeliveryState::PickedUp).await;
        let returning = DeliverySnapshot {
            reason: Some(reason.to_owned()),
            ..service.delivery(&order, 2, DeliveryState::Returning)
        };
        service.receive(order_svc::messaging::on_delivery::OnDelivery, &returning).await.unwrap();
        service.order_is(&order, "cancelled", payment).await;
        let seen = service.ops.get(&format!("/v1/ops/orders/{}", order.id)).await.ok();
        assert_eq!((&seen["who_pays"]["cause"], &seen["who_pays"]["refund"]), (&json!(reason), &json!(refund)));
        assert_eq!(seen["who_pays"]["after_pickup"], true);
        assert!(service.seen(&order).await.get("who_pays").is_none(), "that is for operations");
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_placed_only_if_the_shop_still_takes_it() {
    let service = OrderService::start().await;
    let zone = |version, policy: Value| -> ZoneSnapshot {
        let mut zone = serde_json::to_value(service.zone()).unwrap();
        zone["version"] = json!(version);
        zone["policy"] = policy;
        serde_json::from_value(zone).unwrap()
    };
    let shop = |version, change: fn(&mut MerchantSnapshot)| {
        let mut shop = service.shop_snapshot();
        shop.version = Version(version);
        change(&mut shop);
        shop
    };
    let place = async |quote: &Value| {
        let body = json!({"quote_id": quote["id"], "payment_method": "tok_ok"});
        service.customer.post("/v1/orders", body).await
    };
    let on_shop = async |shop| service.receive(order_svc::messaging::on_merchant::OnMerchant, &shop).await.unwrap();
    let quote = service.quote(&service.customer).await;

    on_shop(shop(2, |shop| shop.status = MerchantStatus::Paused)).await;
    assert_eq!(place(&quote).await.code(), "shop_closed");
    on_shop(shop(3, |shop| shop.menu[0].available = false)).await;
    assert_eq!(place(&quote).await.code(), "item_unavailable");
    on_shop(shop(4, |_| ())).await;
    let on_zone = async |zone| service.receive(order_svc::messaging::on_zone::OnZone, &zone).await.unwrap();
    on_zone(zone(2, json!({"max_total": 100}))).await;
    // Zones are cached for a second; a quote needs one, too, and places nothing.
    let quoted = async |code: &str| {
        eventually(&format!("a quote is answered {code:?}"), || async {
            (service.try_quote(&service.customer).await.code() == code).then_some(())
        })
        .await;
    };
    quoted("total_too_high").await;
    assert_eq!(place(&quote).await.code(), "total_too_high");
    on_zone(zone(3, json!({}))).await;
    quoted("").await;
    assert_eq!(place(&quote).await.ok()["state"], "pending_payment");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_callback_wakes_the_reconciler_and_another_does_nothing() {
    let service = OrderService::start().await;
    service.gateway.lose_answers(true);
    let order = service.placed("tok_ok").await;
    let payment = service.payment_is(&order, "unknown").await;
    service.gateway.lose_answers(false);
    let callback = json!({"id": "cb_1", "reference": payment["id"], "kind": "authorise", "status": 201});
    for signature in [None, Some("t=1,v1=00"), Some("nonsense")] {
        let answer = service.callback(&callback, signature).await;
        assert_eq!((answer.status, answer.code()), (401, "unauthorised"), "{signature:?}");
    }
    assert_eq!(service.payment(&order).await["state"], "unknown");
    // The next look would be in five seconds; time is not moved here.
    assert_eq!(service.signed_callback(&callback).await.status, 204);
    service.order_is(&order, "paid", "authorised").await;
    assert_eq!(service.signed_callback(&callback).await.status, 204, "twice is harmless");
    let unknown = json!({"reference": "pay_00000000000070008000000000000000"});
    assert_eq!(service.signed_callback(&unknown).await.status, 204, "a payment that is not ours is nobody's error");
    service.end().await;
}
