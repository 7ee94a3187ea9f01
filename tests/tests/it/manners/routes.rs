//! Every route of the three services, with the role that may call it.

use pannier_platform::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};

/// The service that has the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    Order,
    Merchant,
    Dispatch,
}

/// A route and a correct request to it.
#[derive(Debug, Clone)]
pub struct Route {
    pub service: Service,
    pub role: Role,
    pub method: Method,
    /// With at most one id, written `{order}` and the like.
    pub path: &'static str,
    pub body: Option<Value>,
    /// `If-Match` is required.
    pub guarded: bool,
    /// The route has the query parameters `limit` and `cursor`.
    pub paged: bool,
}

impl Route {
    pub fn name(&self) -> String {
        format!("{} {} as {}", self.method, self.path, self.role)
    }

    /// The path with `id(name)` in the place of `{name}`.
    pub fn path_with(&self, id: impl Fn(&str) -> String) -> String {
        match self.path.split_once('{').and_then(|(_, rest)| rest.split_once('}')) {
            Some((name, _)) => self.path.replace(&format!("{{{name}}}"), &id(name)),
            None => self.path.to_owned(),
        }
    }

    pub fn has_id(&self) -> bool {
        self.path.contains('{')
    }

    pub fn needs_key(&self) -> bool {
        self.method == Method::POST && !self.path.ends_with("/locations")
    }
}

/// All routes.
pub fn routes() -> Vec<Route> {
    let mut all = Vec::new();
    let mut at = |service, role, calls: &[(Method, &'static str, Option<Value>, &str)]| {
        for (method, path, body, how) in calls.iter().cloned() {
            let (guarded, paged) = (how.contains("guarded"), how.contains("paged"));
            all.push(Route { service, role, method, path, body, guarded, paged });
        }
    };
    let (get, post, put) = (|| Method::GET, || Method::POST, || Method::PUT);
    let nothing = || Some(json!({}));
    let place = json!({"lat": 52.52, "lng": 13.4});
    let because = || Some(json!({"reason": "other"}));
    let ready = || Some(json!({"ready_at": super::in_a_minute()}));

    let basket = json!({"merchant_id": "mer_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f", "lines": [], "dropoff": place});
    let purchase =
        json!({"quote_id": "qot_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f", "payment_method": "tok_ok", "external_id": "x"});
    at(
        Service::Order,
        Role::Customer,
        &[
            (get(), "/v1/merchants?lat=52.52&lng=13.4", None, ""),
            (get(), "/v1/merchants/{merchant}/menu", None, ""),
            (post(), "/v1/quotes", Some(basket), ""),
            (post(), "/v1/orders", Some(purchase), ""),
            (get(), "/v1/orders", None, "paged"),
            (get(), "/v1/orders/{order}", None, ""),
            (get(), "/v1/orders/{order}/stream", None, ""),
            (post(), "/v1/orders/{order}/cancel", Some(json!({"reason": "late"})), ""),
            (post(), "/v1/orders/{order}/pay", Some(json!({"payment_method": "tok_ok"})), ""),
        ],
    );
    at(
        Service::Order,
        Role::Merchant,
        &[
            (post(), "/v1/orders/{order}/accept", ready(), ""),
            (post(), "/v1/orders/{order}/reject", because(), ""),
            (post(), "/v1/orders/{order}/shop-cancel", because(), ""),
        ],
    );
    at(
        Service::Order,
        Role::Ops,
        &[
            (get(), "/v1/ops/orders", None, "paged"),
            (get(), "/v1/ops/orders/{order}", None, ""),
            (get(), "/v1/ops/orders/{order}/events", None, ""),
            (post(), "/v1/ops/orders/{order}/cancel", because(), "guarded"),
            (get(), "/v1/ops/payments/{order}", None, ""),
            (post(), "/v1/ops/payments/{order}/retry", because(), "guarded"),
            (post(), "/v1/ops/payments/{order}/refund", Some(json!({"amount": 1, "reason": "r"})), "guarded"),
            (post(), "/v1/ops/payments/{order}/write-off", because(), "guarded"),
        ],
    );
    let profile = json!({"name": "Other", "place": place, "currency": "EUR", "prep_ms": 1000});
    at(
        Service::Merchant,
        Role::Merchant,
        &[
            (put(), "/v1/merchant/profile", Some(profile), "guarded"),
            (get(), "/v1/merchant/profile", None, ""),
            (put(), "/v1/merchant/menu", Some(json!({"items": []})), "guarded"),
            (get(), "/v1/merchant/menu", None, ""),
            (post(), "/v1/merchant/open", nothing(), "guarded"),
            (post(), "/v1/merchant/pause", nothing(), "guarded"),
            (get(), "/v1/merchant/tickets", None, "paged"),
            (get(), "/v1/merchant/tickets/stream", None, ""),
            (get(), "/v1/merchant/tickets/{ticket}", None, ""),
            (post(), "/v1/merchant/tickets/{ticket}/accept", ready(), "guarded"),
            (post(), "/v1/merchant/tickets/{ticket}/reject", because(), "guarded"),
            (post(), "/v1/merchant/tickets/{ticket}/cancel", because(), "guarded"),
            (post(), "/v1/merchant/tickets/{ticket}/ready", nothing(), "guarded"),
        ],
    );
    at(
        Service::Merchant,
        Role::Ops,
        &[
            (get(), "/v1/ops/tickets", None, "paged"),
            (get(), "/v1/ops/merchants", None, "paged"),
            (get(), "/v1/ops/orders/{order}/events", None, ""),
        ],
    );
    let rider = json!({"name": "R", "vehicle": "bicycle", "speed_mps": 5.0});
    at(
        Service::Dispatch,
        Role::Rider,
        &[
            (put(), "/v1/rider/profile", Some(rider), ""),
            (get(), "/v1/rider/profile", None, ""),
            (post(), "/v1/rider/online", Some(json!({"place": place})), ""),
            (post(), "/v1/rider/pause", nothing(), ""),
            (post(), "/v1/rider/offline", nothing(), ""),
            (post(), "/v1/rider/locations", Some(json!({"locations": [{"seq": 1, "place": place}]})), ""),
            (get(), "/v1/rider/offers", None, ""),
            (get(), "/v1/rider/offers/stream", None, ""),
            (post(), "/v1/rider/offers/{offer}/accept", nothing(), ""),
            (post(), "/v1/rider/offers/{offer}/decline", nothing(), ""),
            (get(), "/v1/rider/deliveries", None, "paged"),
            (get(), "/v1/rider/deliveries/{delivery}", None, ""),
            (post(), "/v1/rider/deliveries/{delivery}/at_pickup", nothing(), ""),
            (post(), "/v1/rider/deliveries/{delivery}/picked_up", nothing(), ""),
            (post(), "/v1/rider/deliveries/{delivery}/at_dropoff", nothing(), ""),
            (post(), "/v1/rider/deliveries/{delivery}/delivered", Some(json!({"pin": "0000"})), ""),
            (post(), "/v1/rider/deliveries/{delivery}/failed", Some(json!({"reason": "rider_unable"})), ""),
            (post(), "/v1/rider/deliveries/{delivery}/returned", nothing(), ""),
        ],
    );
    let given = json!({"rider_id": "rdr_0192f3c27b2e7d1a8f4e5a6b7c8d9e0f"});
    let lost = json!({"outcome": "lost", "reason": "food_lost"});
    let corner = |lat: f64, lng: f64| json!({"lat": lat, "lng": lng});
    let zone = json!({"name": "Z", "polygon": [corner(1.0, 1.0), corner(1.0, 2.0), corner(2.0, 1.0)], "policy": {}});
    at(
        Service::Dispatch,
        Role::Ops,
        &[
            (put(), "/v1/ops/zones/{zone}", Some(zone), "guarded"),
            (get(), "/v1/ops/zones", None, ""),
            (get(), "/v1/ops/zones/{zone}", None, ""),
            (get(), "/v1/ops/riders", None, "paged"),
            (get(), "/v1/ops/dispatcher", None, ""),
            (get(), "/v1/ops/orders/{order}/events", None, ""),
            (get(), "/v1/ops/deliveries", None, "paged"),
            (get(), "/v1/ops/deliveries/{delivery}", None, ""),
            (get(), "/v1/ops/deliveries/{delivery}/rounds", None, "paged"),
            (post(), "/v1/ops/riders/{rider}/off-duty", because(), "guarded"),
            (get(), "/v1/ops/deliveries/{delivery}/candidates", None, ""),
            (post(), "/v1/ops/deliveries/{delivery}/assign", Some(given), "guarded"),
            (post(), "/v1/ops/deliveries/{delivery}/reassign", because(), "guarded"),
            (post(), "/v1/ops/deliveries/{delivery}/return", because(), "guarded"),
            (post(), "/v1/ops/deliveries/{delivery}/returned", nothing(), "guarded"),
            (post(), "/v1/ops/deliveries/{delivery}/settle", Some(lost), "guarded"),
        ],
    );
    for service in [Service::Order, Service::Merchant, Service::Dispatch] {
        at(
            service,
            Role::Ops,
            &[
                (get(), "/v1/ops/stuck", None, ""),
                (get(), "/v1/ops/dead-letters", None, "paged"),
                (post(), "/v1/ops/dead-letters/{letter}/replay", nothing(), ""),
                (get(), "/v1/ops/alarms", None, "paged"),
                (get(), "/v1/ops/alarms/{letter}", None, ""),
                (post(), "/v1/ops/alarms/{letter}/acknowledge", nothing(), ""),
                (post(), "/v1/ops/alarms/{letter}/snooze", Some(json!({"until": "2100-01-01T00:00:00Z"})), ""),
                (post(), "/v1/ops/alarms/{letter}/resolve", Some(json!({"note": "n"})), ""),
                (get(), "/v1/ops/audit", None, "paged"),
                (get(), "/v1/ops/outbox", None, ""),
            ],
        );
    }
    all
}
