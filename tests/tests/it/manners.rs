//! The three services refuse bad requests alike: every route answers the same mistake with the same problem.

mod routes;

use std::collections::BTreeSet;

use pannier_platform::auth::Role;
use pannier_testkit::eventually;
use pannier_tests::city::{in_a_minute, text};
use pannier_tests::{Answer, Caller, TestCity};
use reqwest::Method;
use routes::{Route, Service, routes};
use serde_json::{Value, json};

/// A city in which a rider has accepted the delivery of one order.
struct Scene {
    city: TestCity,
    shop: Caller,
    customer: Caller,
    rider: Caller,
    order: Value,
    ticket: Value,
    delivery: Value,
    offer: Value,
}

impl Scene {
    async fn set() -> Self {
        let city = TestCity::start().await;
        let (shop, customer, rider) = (city.shop().await, city.customer(), city.rider().await);
        let (order, ticket) = city.ticket(&customer, &shop).await;
        city.accept(&shop, &ticket).await.ok();
        let offer = city.offer(&rider, &order).await;
        let accept = format!("/v1/rider/offers/{}/accept", text(&offer["id"]));
        let delivery = rider.post(&accept, json!({})).await.ok();
        Self { city, shop, customer, rider, order, ticket, delivery, offer }
    }

    fn base(&self, service: Service) -> &str {
        match service {
            Service::Order => &self.city.order_url,
            Service::Merchant => &self.city.merchant_url,
            Service::Dispatch => &self.city.dispatch_url,
        }
    }

    /// The caller with this role to whom the resources of the scene belong.
    fn owner(&self, route: &Route, role: Role) -> Caller {
        match role {
            Role::Customer => self.customer.at(self.base(route.service)),
            Role::Merchant => self.shop.at(self.base(route.service)),
            Role::Rider => self.rider.at(self.base(route.service)),
            Role::Ops => self.city.ops(self.base(route.service)),
        }
    }

    /// The path of a route with the ids of the scene.
    fn path(&self, route: &Route) -> String {
        route.path_with(|name| match name {
            "order" => text(&self.order["id"]).to_owned(),
            "ticket" => text(&self.ticket["id"]).to_owned(),
            "delivery" => text(&self.delivery["id"]).to_owned(),
            "rider" => self.rider.id.clone(),
            "offer" => text(&self.offer["id"]).to_owned(),
            "merchant" => self.shop.id.clone(),
            "zone" => "test".to_owned(),
            "letter" => uuid::Uuid::nil().to_string(),
            other => panic!("no id of a {other}"),
        })
    }
}

/// A correct request. Tests break one part of it.
fn call(who: &Caller, route: &Route, path: &str, if_match: Option<u64>) -> reqwest::RequestBuilder {
    let mut request = who.request(route.method.clone(), path);
    if route.needs_key() {
        request = request.header("Idempotency-Key", uuid::Uuid::now_v7().to_string());
    }
    if let Some(version) = if_match {
        request = request.header("If-Match", version);
    }
    match &route.body {
        Some(body) => request.json(body),
        None => request,
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.send().await.expect("the service answers")).await
}

/// Collects unexpected answers, so that one run reports all of them.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    async fn unless(&mut self, case: &str, route: &Route, request: reqwest::RequestBuilder, status: u16, code: &str) {
        let answer = answer(request).await;
        let is_problem = answer.content_type == "application/problem+json"
            && answer.body["trace_id"].as_str().is_some_and(|t| t.len() == 32)
            && answer.body["type"] == format!("/problems/{}", code.replace('_', "-"));
        if (answer.status, answer.code()) != (status, code) || !is_problem {
            let Answer { status: got, body, content_type, .. } = answer;
            self.0.push(format!("{}, {case}: {status} {code} expected, not {got} {content_type} {body}", route.name()));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_each_mistake_with_its_problem() {
    let scene = Scene::set().await;
    let mut wrong = Wrong::default();
    for route in routes() {
        let (owner, path) = (scene.owner(&route, route.role), scene.path(&route));
        let version = route.guarded.then_some(1);

        let nobody = owner.with_token("nonsense".to_owned());
        wrong.unless("no token", &route, call(&nobody, &route, &path, version), 401, "unauthorised").await;
        for role in Role::ALL.iter().filter(|r| **r != route.role) {
            let other = scene.owner(&route, *role);
            wrong.unless(role.as_str(), &route, call(&other, &route, &path, version), 403, "wrong_role").await;
        }
        let delete = owner.request(Method::DELETE, &path);
        wrong.unless("another method", &route, delete, 405, "method_not_allowed").await;
        if route.has_id() {
            let path = route.path_with(|_| "NO_ID".to_owned());
            wrong.unless("a bad id", &route, call(&owner, &route, &path, version), 404, "not_found").await;
        }
        if let Some(body) = &route.body {
            let mut more = body.clone();
            more["nonsense"] = json!(1);
            let request = call(&owner, &Route { body: Some(more), ..route.clone() }, &path, version);
            wrong.unless("an unknown field", &route, request, 400, "body_invalid").await;
            let request = call(&owner, &route, &path, version).body("{");
            wrong.unless("half a body", &route, request, 400, "body_not_json").await;
            let request = call(&owner, &route, &path, version).body(vec![b' '; 65 * 1024]);
            wrong.unless("a huge body", &route, request, 413, "body_too_large").await;
        }
        if route.needs_key() {
            let request = owner.request(route.method.clone(), &path).json(&route.body);
            wrong.unless("no key", &route, request, 400, "idempotency_key_missing").await;
        }
        if route.guarded {
            wrong.unless("no version", &route, call(&owner, &route, &path, None), 428, "if_match_missing").await;
            wrong.unless("an old version", &route, call(&owner, &route, &path, Some(999)), 412, "stale_version").await;
            let request = call(&owner, &route, &path, None).header("If-Match", "new");
            wrong.unless("no number", &route, request, 400, "if_match_invalid").await;
        }
        if route.paged {
            for (query, code) in [
                ("limit=0", "limit_invalid"),
                ("limit=101", "limit_invalid"),
                ("limit=many", "query_invalid"),
                ("cursor=nonsense", "cursor_invalid"),
                ("cursor=bm9uc2Vuc2U", "cursor_invalid"),
            ] {
                wrong.unless(query, &route, call(&owner, &route, &format!("{path}?{query}"), None), 400, code).await;
            }
        }
    }
    wrong.none();
    for base in [&scene.city.order_url, &scene.city.merchant_url, &scene.city.dispatch_url] {
        let ops = scene.city.ops(base);
        for path in ["/", "/v1", "/v1/nothing", "/v1/orders/a/b/c", "/v2/orders"] {
            ops.get(path).await.problem(404, "no_such_path");
        }
        for path in ["/livez", "/readyz?verbose"] {
            let health = answer(ops.with_token(String::new()).request(Method::GET, path)).await.ok();
            assert!(health["status"] == "live" || health["checks"]["database"] == true, "{health}");
        }
    }
    // The problem for a stale version has the current version.
    let ready = format!("/v1/merchant/tickets/{}/ready", text(&scene.ticket["id"]));
    let stale = scene.shop.post_if(&ready, &scene.ticket["version"], json!({})).await.problem(412, "stale_version");
    assert_eq!(stale["version"], 2);
    scene.city.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_of_others_are_not_found() {
    let scene = Scene::set().await;
    let (shop, customer, rider) = (scene.city.shop().await, scene.city.customer(), scene.city.rider_offline().await);
    let before = everything(&scene.city).await;
    let mut wrong = Wrong::default();
    for route in routes().iter().filter(|r| r.has_id() && !r.path.contains("{merchant}")) {
        let base = scene.base(route.service);
        let (who, path) = match route.role {
            Role::Customer => (customer.at(base), scene.path(route)),
            Role::Merchant => (shop.at(base), scene.path(route)),
            Role::Rider => (rider.at(base), scene.path(route)),
            // Operations may read everything. They ask for ids that do not exist.
            Role::Ops => (scene.city.ops(base), route.path_with(never)),
        };
        if route.role == Role::Ops && route.method == Method::PUT {
            continue;
        }
        let request = call(&who, route, &path, route.guarded.then_some(1));
        wrong.unless("of somebody else", route, request, 404, "not_found").await;
    }
    wrong.none();
    assert_eq!(everything(&scene.city).await, before, "refused requests change nothing");
    scene.city.end().await;
}

fn never(name: &str) -> String {
    let prefix = match name {
        "order" => "ord",
        "delivery" => "dlv",
        "rider" => "rdr",
        "zone" => return "never".to_owned(),
        _ => return uuid::Uuid::now_v7().to_string(),
    };
    format!("{prefix}_{}", uuid::Uuid::now_v7().simple())
}

/// The states of all orders, tickets and deliveries.
async fn everything(city: &TestCity) -> String {
    city.text(
        "SELECT (SELECT string_agg(state, ' ') FROM orders.orders) || ' ' || (SELECT string_agg(state, ' ') FROM merchant.tickets)
             || ' ' || (SELECT string_agg(state, ' ') FROM dispatch.deliveries) AS ends",
    )
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_paged_and_a_trace_goes_through_all_services() {
    let city = TestCity::start().await;
    let (shop, customer) = (city.shop().await, city.customer());
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(text(&city.placed(&customer, &shop).await["id"]).to_owned());
    }
    city.placed(&city.customer(), &shop).await;
    eventually("six tickets", || async {
        let open = shop.get("/v1/merchant/tickets?open=true").await.ok();
        (open["data"].as_array()?.len() == 6).then_some(())
    })
    .await;

    placed.reverse();
    assert_eq!(walk(&customer, "/v1/orders?limit=2").await, (placed, 3), "the customer's own, newest first");
    let (tickets, pages) = walk(&shop, "/v1/merchant/tickets?limit=4").await;
    assert_eq!((tickets.len(), tickets.iter().collect::<BTreeSet<_>>().len(), pages), (6, 6, 2));
    assert!(tickets.is_sorted(), "oldest first");
    let (orders, pages) = walk(&city.ops(&city.order_url), "/v1/ops/orders?limit=6").await;
    assert_eq!((orders.len(), pages), (6, 1), "an exactly full page is the last");

    // A trace that the customer begins is in every event that follows from the request.
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let problem = customer.traced(trace).get("/v1/orders/nonsense").await.problem(404, "not_found");
    assert_eq!(problem["trace_id"], trace);
    let order = city.placed(&customer.traced(trace), &shop).await;
    let order = text(&order["id"]).replace("ord_", "");
    let rider = city.rider().await;
    let ticket = eventually("its ticket opens", || async {
        let open = shop.get("/v1/merchant/tickets?open=true").await.ok();
        open["data"].as_array()?.iter().find(|t| text(&t["order_id"]).ends_with(&order)).cloned()
    })
    .await;
    let of_trace = |schema: &str, kind: &str| {
        let sql = format!(
            "SELECT count(*) AS n FROM {schema}.events WHERE type = '{kind}.v1' AND traceparent LIKE '00-{trace}-%-01'"
        );
        let db = city.db.clone();
        async move { db.count(&sql).await }
    };
    assert_eq!(of_trace("orders", "order.placed").await, 1);
    assert_eq!(of_trace("orders", "order.paid").await, 1, "the payment belongs to the trace");
    assert_eq!(of_trace("merchant", "ticket.opened").await, 1, "the message carried the trace");
    // The shop begins another trace.
    let trace = "5cf92f3577b34da6a3ce929d0e0e4736";
    city.accept(&shop.traced(trace), &ticket).await.ok();
    eventually("the delivery has the trace of the shop", || async {
        let sql = format!(
            "SELECT count(*) AS n FROM dispatch.events WHERE aggregate = 'delivery' AND traceparent LIKE '00-{trace}-%'"
        );
        (city.db.count(&sql).await >= 1).then_some(())
    })
    .await;
    let sql = format!(
        "SELECT count(*) AS n FROM orders.events WHERE type = 'order.accepted.v1' AND traceparent LIKE '00-{trace}-%'"
    );
    assert_eq!(city.db.count(&sql).await, 1, "the call of merchant-svc carried the trace");
    drop(rider);
    city.end().await;
}

/// All ids of a list in their order, and the number of pages.
async fn walk(who: &Caller, path: &str) -> (Vec<String>, usize) {
    let (mut ids, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = who.get(&format!("{path}{cursor}")).await.ok();
        pages += 1;
        ids.extend(page["data"].as_array().unwrap().iter().map(|r| text(&r["id"]).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (ids, pages),
        }
    }
}
