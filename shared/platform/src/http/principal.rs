//! Extractors of the caller: a handler names the role that it is for in its signature.

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, web};
use pannier_contracts::{CustomerId, MerchantId, RiderId};

use super::Problem;
use crate::auth::{Claims, Role, Verifier};

/// The valid token of a request, with any role.
#[derive(Debug, Clone)]
pub struct Token {
    /// Its claims.
    pub claims: Claims,
    /// The token itself, for calling another service in the caller's name.
    pub bearer: String,
}

impl Token {
    /// `customer:cus_…`: the actor of events and the principal of idempotency keys.
    #[must_use]
    pub fn principal(&self) -> String {
        format!("{}:{}", self.claims.role, self.claims.sub)
    }

    /// The valid token in the `Authorization` header.
    ///
    /// # Errors
    /// 401 `unauthorised`.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let unauthorised = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, "unauthorised", detail);
        let bearer = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|h| h.to_str().ok())
            .and_then(|h| h.strip_prefix("Bearer "))
            .ok_or_else(|| unauthorised("send a token: Authorization: Bearer …"))?;
        let verifier = request
            .app_data::<web::Data<Verifier>>()
            .map(|v| Arc::clone(v))
            .ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "no verifier is configured"))?;
        let claims = verifier.check(bearer).ok_or_else(|| unauthorised("the token is not valid, or no longer"))?;
        Ok(Self { claims, bearer: bearer.to_owned() })
    }

    fn as_role(request: &HttpRequest, role: Role) -> Result<Self, Problem> {
        let token = Self::of(request)?;
        if token.claims.role == role {
            return Ok(token);
        }
        let detail = format!("this is for role {role}; the token says {}", token.claims.role);
        Err(Problem::new(StatusCode::FORBIDDEN, "wrong_role", detail))
    }
}

impl FromRequest for Token {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

macro_rules! principal {
    ($(#[$meta:meta])* $name:ident, $role:expr, $id:ty) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub struct $name {
            /// The subject of the token.
            pub id: $id,
            /// The token itself.
            pub token: Token,
        }

        impl FromRequest for $name {
            type Error = Problem;
            type Future = Ready<Result<Self, Problem>>;
            fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
                ready(Token::as_role(request, $role).and_then(|token| {
                    let id = token.claims.sub.parse::<$id>().map_err(|e| {
                        Problem::new(StatusCode::UNAUTHORIZED, "unauthorised", format!("the token's subject: {e}"))
                    })?;
                    Ok(Self { id, token })
                }))
            }
        }
    };
}

principal!(/** A caller with the role `customer`. */ Customer, Role::Customer, CustomerId);
principal!(/** A caller with the role `merchant`. */ Merchant, Role::Merchant, MerchantId);
principal!(/** A caller with the role `rider`. */ Rider, Role::Rider, RiderId);
principal!(/** A caller with the role `ops`; `id` is any name. */ Ops, Role::Ops, String);
