//! Requests in the middle of calls: ours and what is answered to them, and the far end's.

mod answers;
mod asking;
mod requests;
mod sipfrag;

pub(crate) use asking::Asked;
