//! The life cycle of all sessions with one camera: connect, back off, reconnect.

mod config;
mod demand;
mod failure;
mod fast_connect;
mod machine;
mod outage;
mod output;
mod overflow;
mod policy;
mod talk_queue;
mod tally;
mod timeline;

pub use self::config::{Keep, LINGER, SupervisorConfig};
pub use self::demand::Demand;
pub use self::machine::Supervisor;
pub use self::outage::{ConnectionError, Disconnect, DriverError, MAX_OUTAGES, Outage};
pub use self::output::{CommandError, Connect, SupervisorEvent, SupervisorOutput};
pub use self::overflow::OverflowFilter;
pub use self::policy::ReconnectPolicy;
pub use self::talk_queue::TalkQueue;
pub use self::tally::Tally;
pub use self::timeline::ContinuousFrame;
