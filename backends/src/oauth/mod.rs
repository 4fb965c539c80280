//! Signing in to services by OAuth 2, and staying signed in. Start reading at [`sign_in`] and [`Bearer`].
//!
//! Owns the exchange with the browser (PKCE, a redirect to this machine), tokens and their renewal. What a token is kept in
//! belongs to the caller ([`TokenStore`]); what the services' interfaces look like belongs to them. There is no client id of
//! ours: whoever signs in brings one that they have registered with the service.

mod app;
mod bearer;
mod loopback;
mod sign_in;
mod store;
mod token;

pub(crate) use app::{AUTH_URL, App, CLIENT_SECRET, Grants, REDIRECT_PORT, TOKEN, TOKEN_URL};
pub(crate) use bearer::Bearer;
pub use sign_in::{SignInError, SignedIn, sign_in};
pub use store::{HeldToken, TokenStore};
