//! The SQL that selects by state agrees with the rules in `domain`, for every state.

use chrono::{TimeDelta, Utc};
use diesel::QueryDsl as _;
use diesel_async::RunQueryDsl as _;
use futures::FutureExt as _;
use order_svc::domain::deadlines::expiry;
use order_svc::domain::lifecycle::{OrderLifecycle, has_ended_early};
use order_svc::domain::settlement::{is_open, needs_work};
use order_svc::store::schema::orders;
use order_svc::store::{self, Order, Payment};
use order_svc::tasks::sweeper::sweep;
use pannier_contracts::order::OrderState;
use pannier_contracts::payment::PaymentState;
use pannier_contracts::{CustomerId, Lifecycle as _, MerchantId, Money, OrderId, Place, QuoteId, Version};
use pannier_platform::schema::timers;
use pannier_platform::{Cause, Db, Json, timers as platform_timers};
use pannier_testkit::{Servers, TestDb};

struct Tables {
    servers: Servers,
    db: TestDb,
    pool: Db,
}

impl Tables {
    async fn create() -> Self {
        let servers = Servers::from_env();
        let db = TestDb::create(&servers).await;
        let pool = Db::new(&db.urls.order, 2).unwrap();
        Self { servers, db, pool }
    }

    async fn insert(&self, orders: Vec<Order>) {
        let inserted = self.pool.transaction(move |conn| {
            let orders = orders.clone();
            async move {
                for order in &orders {
                    store::orders::insert(conn, &Cause::of("test"), order).await?;
                    store::payments::insert(conn, &Cause::of("test"), &order.payment).await?;
                }
                Ok(())
            }
            .boxed()
        });
        inserted.await.unwrap();
    }

    async fn sweep(&self) {
        self.pool.transaction(|conn| sweep(conn).boxed()).await.unwrap();
    }

    async fn end(self) {
        self.db.remove(&self.servers).await;
    }
}

/// An order and a payment in these states, without a timer or a next attempt.
fn order(state: OrderState, payment: PaymentState) -> Order {
    let (id, now, price) = (OrderId::generate(), Utc::now(), Money::new(1500, "EUR".parse().unwrap()));
    let place = Place::new(52.5, 13.4).unwrap();
    let new = Payment::new(id, "tok_ok", price, now);
    Order {
        id,
        version: Version::FIRST,
        state,
        external_id: None,
        quote_id: QuoteId::generate(),
        customer_id: CustomerId::generate(),
        merchant_id: MerchantId::generate(),
        merchant_name: "Shop".to_owned(),
        zone_id: "test".parse().unwrap(),
        lines: Json(Vec::new()),
        fees: Json(Vec::new()),
        currency: price.currency,
        total: price.amount,
        pickup: place,
        dropoff: place,
        promise_at: now,
        ready_at: None,
        pin: "1234".to_owned(),
        pin_hash: "hash".to_owned(),
        reason: None,
        placed_at: now,
        refund_share: 100,
        who_pays: None,
        payment: Payment { state: payment, next_attempt_at: None, ..new },
        progress: None,
    }
}

#[tokio::test]
async fn the_sweeper_makes_a_payment_due_exactly_when_it_needs_something() {
    let tables = Tables::create().await;
    let pairs = PaymentState::ALL.iter().flat_map(|payment| OrderState::ALL.iter().map(|order| (*order, *payment)));
    let orders: Vec<Order> = pairs.map(|(state, payment)| order(state, payment)).collect();
    let with_operation = order(OrderState::Paid, PaymentState::Authorised);
    // Nothing is left to give back of it.
    let refunded_in_part = order(OrderState::Cancelled, PaymentState::PartiallyRefunded);
    let ids: Vec<OrderId> = orders.iter().chain([&with_operation, &refunded_in_part]).map(|order| order.id).collect();
    let (with_operation_id, in_part_id) = (with_operation.id, refunded_in_part.id);
    tables.insert(orders.into_iter().chain([with_operation, refunded_in_part]).collect()).await;
    let of = |order: OrderId| format!("(SELECT id FROM orders.payments WHERE order_id = '{}')", order.0);
    // Each was inserted with its authorisation open.
    let (keep, share) = (of(with_operation_id), of(in_part_id));
    // The method of the database, not diesel's.
    let db = &tables.db;
    db.execute(&format!("DELETE FROM orders.payment_operations WHERE payment_id <> {keep}")).await;
    db.execute(&format!("UPDATE orders.payments SET captured = 1000, refunded = 400 WHERE id = {share}")).await;
    db.execute(&format!("UPDATE orders.orders SET refund_share = 40 WHERE id = '{}'", in_part_id.0)).await;
    tables.sweep().await;
    let swept = tables.pool.read(move |conn| async move { store::orders::load_many(conn, &ids).await }.boxed());
    for order in swept.await.unwrap() {
        let (is_due, payment) = (order.payment.next_attempt_at.is_some(), order.payment.state);
        let needs_something =
            (needs_work(payment, order.state) || order.id == with_operation_id) && order.id != in_part_id;
        assert_eq!(is_due, needs_something, "{payment} × {}", order.state);
    }
    tables.end().await;
}

#[tokio::test]
async fn the_sweeper_gives_a_timer_to_every_order_that_expires_and_has_none() {
    let tables = Tables::create().await;
    let placed_long_ago = |state: &OrderState| {
        let order = order(*state, PaymentState::Failed);
        Order { placed_at: order.placed_at - TimeDelta::hours(2), ..order }
    };
    let orders: Vec<Order> = OrderState::ALL.iter().map(placed_long_ago).collect();
    let (young, with_timer) = (order(OrderState::Paid, PaymentState::Authorised), placed_long_ago(&OrderState::Paid));
    let with_timer_id = with_timer.id.0;
    tables.insert(orders.iter().cloned().chain([young, with_timer]).collect()).await;
    let in_an_hour = Utc::now() + TimeDelta::hours(1);
    let set = tables
        .pool
        .transaction(move |conn| platform_timers::set(conn, "order", with_timer_id, "acceptance", in_an_hour).boxed());
    set.await.unwrap();

    let expected: Vec<_> =
        orders.iter().filter_map(|order| Some((order.id.0, expiry(order.state)?.timer.to_owned()))).collect();
    for sweep in ["first", "second"] {
        tables.sweep().await;
        let due = tables.pool.read(|conn| {
            let due = timers::table.order(timers::aggregate_id).select((timers::aggregate_id, timers::kind));
            let due = diesel::QueryDsl::filter(due, diesel::ExpressionMethods::lt(timers::fire_at, diesel::dsl::now));
            async move { Ok(due.load::<(uuid::Uuid, String)>(conn).await?) }.boxed()
        });
        assert_eq!(due.await.unwrap(), expected, "{sweep} sweep");
    }
    tables.end().await;
}

#[tokio::test]
async fn generated_columns_and_partial_indexes_select_the_states_of_the_rules() {
    let tables = Tables::create().await;
    tables.insert(OrderState::ALL.iter().map(|state| order(*state, PaymentState::Failed)).collect()).await;
    let rows = tables.pool.read(|conn| {
        let columns = orders::table.select((orders::state, orders::is_open, orders::has_ended_early));
        async move { Ok(columns.load::<(OrderState, bool, bool)>(conn).await?) }.boxed()
    });
    let rows = rows.await.unwrap();
    assert_eq!(rows.len(), OrderState::ALL.len());
    for (state, is_open, ended_early) in rows {
        assert_eq!((is_open, ended_early), (!OrderLifecycle::is_terminal(state), has_ended_early(state)), "{state}");
    }

    let predicate = "SELECT pg_get_expr(indpred, indrelid) AS predicate FROM pg_index
        WHERE indexrelid = 'orders.payments_open'::regclass";
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        predicate: String,
    }
    let Row { predicate } = diesel::sql_query(predicate).get_result(&mut tables.db.connect().await).await.unwrap();
    for state in PaymentState::ALL {
        let is_in_index = format!("SELECT count(*) AS n FROM (SELECT '{state}'::text AS state) p WHERE {predicate}");
        assert_eq!(tables.db.count(&is_in_index).await == 1, is_open(*state), "{state}: {predicate}");
    }
    tables.end().await;
}
