//! Races between concurrent callers. The first commit on the deciding row wins, and the losers get an answer that says
//! why. Every service ends in the states of the winner.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use futures::StreamExt as _;
use pannier_replay::checks;
use pannier_replay::evidence::Evidence;
use pannier_testkit::eventually;
use pannier_tests::city::text;
use pannier_tests::{Answer, Caller, TestCity};
use serde_json::{Value, json};

/// How often each race is run.
const TRIALS: usize = 200;
/// How many trials run at once.
const AT_ONCE: usize = 8;

/// How often each outcome of a race occurred.
type Seen = BTreeMap<String, usize>;

/// Runs `trial` [`TRIALS`] times, [`AT_ONCE`] of them concurrently, and counts the outcomes.
async fn trials<F, Fut>(city: &Arc<TestCity>, trial: F) -> Seen
where
    F: Fn(usize, Arc<TestCity>) -> Fut,
    Fut: Future<Output = String>,
{
    futures::stream::iter(0..TRIALS)
        .map(|n| trial(n, Arc::clone(city)))
        .buffer_unordered(AT_ONCE)
        .fold(Seen::new(), |mut seen, outcome| async move {
            *seen.entry(outcome).or_default() += 1;
            seen
        })
        .await
}

/// Runs both calls of the n-th trial. In the first two trials they run one after the other, in either order. From then
/// on they run concurrently.
async fn race<A, B>(n: usize, a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    match n {
        0 => {
            let a = a.await;
            (a, b.await)
        }
        1 => {
            let b = b.await;
            (a.await, b)
        }
        _ => tokio::join!(a, b),
    }
}

/// Checks that only allowed outcomes occurred and that each side has won. `allowed` has the outcomes for each winner.
/// Prints the counts.
fn only(seen: &Seen, allowed: &[&[&str]]) {
    println!("{seen:?}");
    for outcome in seen.keys() {
        assert!(allowed.concat().contains(&outcome.as_str()), "{outcome} is not in {allowed:?}: {seen:?}");
    }
    for winner in allowed {
        assert!(winner.iter().any(|outcome| seen.contains_key(*outcome)), "never seen: any of {winner:?}: {seen:?}");
    }
    assert_eq!(seen.values().sum::<usize>(), TRIALS);
}

fn say(answer: &Answer) -> String {
    if answer.status < 300 { answer.status.to_string() } else { format!("{} {}", answer.status, answer.code()) }
}

async fn end(city: Arc<TestCity>) {
    no_breach(&city).await;
    Arc::into_inner(city).expect("every trial is over").end().await;
}

/// Checks that no rider is above capacity, no delivery has two riders, and no event or order is missing or duplicated.
async fn no_breach(city: &TestCity) {
    for (name, sql) in checks::CHECKS {
        if ["double_assignments", "capacity_breaches", "duplicates", "lost"].contains(&name) {
            // Consumers may not have applied the last events yet.
            eventually(name, || async {
                let mut db = city.db.connect().await;
                checks::load(&mut db, &Evidence::default()).await.expect("temporary tables");
                let found = checks::check(&mut db, name, sql).await.expect("the check runs");
                (found.count == 0).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tablets_accept_once() {
    let city = Arc::new(TestCity::start().await);
    let shop = city.shop().await;
    let seen = trials(&city, |n, city| {
        let shop = shop.clone();
        async move {
            let (order, ticket) = city.ticket(&city.customer(), &shop).await;
            let (a, b) = race(n, city.accept(&shop, &ticket), city.accept(&shop, &ticket)).await;
            let winners = [&a, &b].iter().filter(|x| x.status == 200).count();
            assert_eq!(winners, 1, "{} and {}", say(&a), say(&b));
            city.ends_as(&order, ["accepted", "accepted", "searching", "captured"]).await;
            let (winner, loser) = if a.status == 200 { ("first", b) } else { ("second", a) };
            format!("{winner} wins, the other {}", say(&loser))
        }
    })
    .await;
    // On a slow machine order-svc may not answer within two seconds. The loser then gets 503 and may retry. The final
    // states were checked above.
    let losing = ["412 stale_version", "412 changed_meanwhile", "409 illegal_transition", "503 order_service_away"];
    let [first, second] = ["first", "second"].map(|who| losing.map(|answer| format!("{who} wins, the other {answer}")));
    only(&seen, &[&first.each_ref().map(String::as_str), &second.each_ref().map(String::as_str)]);
    end(city).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customer_cancels_while_the_shop_accepts() {
    let city = Arc::new(TestCity::start().await);
    let shop = city.shop().await;
    let seen = trials(&city, |n, city| {
        let shop = shop.clone();
        async move {
            let customer = city.customer();
            let (order, ticket) = city.ticket(&customer, &shop).await;
            let cancel = format!("/v1/orders/{}/cancel", text(&order["id"]));
            let (cancelled, accepted) = race(n, customer.post(&cancel, json!({})), city.accept(&shop, &ticket)).await;
            if cancelled.status == 200 {
                city.ends_as(&order, ["cancelled", "cancelled", "-", "voided"]).await;
            } else {
                city.ends_as(&order, ["accepted", "accepted", "searching", "captured"]).await;
            }
            format!("cancel {}, accept {}", say(&cancelled), say(&accepted))
        }
    })
    .await;
    only(
        &seen,
        &[
            &[
                "cancel 200, accept 409 order_cancelled",
                // The event of the cancellation changed the ticket before the accept request arrived.
                "cancel 200, accept 412 stale_version",
                "cancel 200, accept 409 illegal_transition",
            ],
            &["cancel 409 illegal_transition, accept 200"],
        ],
    );
    end(city).await;
}

/// An order whose delivery is offered to both riders, and the paths that accept the offers.
async fn offered_twice(city: &TestCity, shop: &Caller, riders: &[Caller; 2]) -> (Value, [String; 2]) {
    let order = city.accepted(&city.customer(), shop).await;
    let (a, b) = tokio::join!(city.offer(&riders[0], &order), city.offer(&riders[1], &order));
    (order, [a, b].map(|offer| format!("/v1/rider/offers/{}/accept", text(&offer["id"]))))
}

async fn two_riders(city: &TestCity) -> [Caller; 2] {
    [city.rider().await, city.rider().await]
}

/// Cancels the order as operations, so that its riders are free for the next trial.
async fn clear_away(city: &TestCity, order: &Value) {
    let ops = city.ops(&city.order_url);
    let path = format!("/v1/ops/orders/{}", text(&order["id"]));
    eventually("operations cancel it", || async {
        let now = ops.get(&path).await.ok();
        if now["state"] == "cancelled" {
            return Some(());
        }
        let answer = ops.post_if(&format!("{path}/cancel"), &now["version"], json!({"reason": "test"})).await;
        (answer.status == 200).then_some(())
    })
    .await;
    // The payment is refunded if it was captured already, otherwise voided.
    city.ends_as_one_of(order, &["refunded", "voided"].map(|p| ["cancelled", "cancelled", "cancelled", p])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_riders_accept_one_delivery() {
    let city = Arc::new(TestCity::start_with_policy(json!({"offers_per_delivery": 2})).await);
    let shop = city.shop().await;
    let riders = two_riders(&city).await;
    let mut seen = Seen::new();
    for n in 0..TRIALS {
        let (order, [a, b]) = offered_twice(&city, &shop, &riders).await;
        let (a, b) = race(n, riders[0].post(&a, json!({})), riders[1].post(&b, json!({}))).await;
        assert_eq!([&a, &b].iter().filter(|x| x.status == 200).count(), 1, "{} and {}", say(&a), say(&b));
        let (winner, loser) = if a.status == 200 { ("first", b) } else { ("second", a) };
        *seen.entry(format!("{winner} wins, the other {}", say(&loser))).or_default() += 1;
        clear_away(&city, &order).await;
    }
    let losing = ["409 offer_revoked", "409 already_assigned"];
    let [first, second] = ["first", "second"].map(|who| losing.map(|answer| format!("{who} wins, the other {answer}")));
    only(&seen, &[&first.each_ref().map(String::as_str), &second.each_ref().map(String::as_str)]);
    end(city).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_is_accepted_or_expires() {
    let city = Arc::new(TestCity::start().await);
    let shop = city.shop().await;
    let rider = city.rider().await;
    let mut seen = Seen::new();
    for n in 0..TRIALS {
        let order = city.accepted(&city.customer(), &shop).await;
        let offer = city.offer(&rider, &order).await;
        let accept = format!("/v1/rider/offers/{}/accept", text(&offer["id"]));
        // The offer expires while it is accepted.
        let expire = format!(
            "UPDATE dispatch.offers SET expires_at = clock_timestamp() WHERE id = '{0}' AND state = 'sent';
             UPDATE dispatch.timers SET fire_at = clock_timestamp(), claimed_until = NULL WHERE aggregate_id = '{0}'",
            uuid_of(&offer["id"])
        );
        let (accepted, ()) = race(n, rider.post(&accept, json!({})), city.db.execute(&expire)).await;
        let state = format!("SELECT state AS ends FROM dispatch.offers WHERE id = '{}'", uuid_of(&offer["id"]));
        let expected = if accepted.status == 200 { "accepted" } else { "expired" };
        eventually(&format!("the offer is {expected}"), || async {
            (city.text(&state).await == expected).then_some(())
        })
        .await;
        *seen.entry(say(&accepted)).or_default() += 1;
        clear_away(&city, &order).await;
    }
    only(&seen, &[&["200"], &["409 offer_expired"]]);
    end(city).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rider_accepts_while_operations_reassign() {
    let city = Arc::new(TestCity::start_with_policy(json!({"offers_per_delivery": 2})).await);
    let shop = city.shop().await;
    let riders = two_riders(&city).await;
    let ops = city.ops(&city.dispatch_url);
    let mut seen = Seen::new();
    for n in 0..TRIALS {
        let (order, [a, _]) = offered_twice(&city, &shop, &riders).await;
        let delivery = eventually("operations see it", || async {
            let open = ops.get("/v1/ops/deliveries?open=true&limit=100").await.ok();
            open["data"].as_array()?.iter().find(|d| d["order_id"] == order["id"]).cloned()
        })
        .await;
        let reassign = format!("/v1/ops/deliveries/{}/reassign", text(&delivery["id"]));
        let (accepted, reassigned) = race(
            n,
            riders[0].post(&a, json!({})),
            ops.post_if(&reassign, &delivery["version"], json!({"reason": "test"})),
        )
        .await;
        *seen.entry(format!("accept {}, reassign {}", say(&accepted), say(&reassigned))).or_default() += 1;
        clear_away(&city, &order).await;
    }
    for outcome in seen.keys() {
        assert!(!outcome.contains(" 5"), "{seen:?}");
    }
    only(
        &seen,
        &[
            &["accept 200, reassign 412 stale_version", "accept 200, reassign 412 changed_meanwhile"],
            &["accept 409 offer_revoked, reassign 200", "accept 409 reassigned, reassign 200"],
        ],
    );
    end(city).await;
}

fn uuid_of(id: &Value) -> String {
    text(id).split_once('_').map_or_else(String::new, |(_, hex)| hex.to_owned())
}
