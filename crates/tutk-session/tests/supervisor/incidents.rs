//! Incidents in any order.

use proptest::prelude::*;
use testkit::session::cameras::TestCamera;
use testkit::session::clip_audio;
use testkit::session::supervised::SupervisorSimulation;
use tutk_session::{Demand, Keep, ReconnectPolicy, SupervisorConfig, SupervisorEvent};

use super::{MS, S, configs_of};

/// A change of the supervisor's environment.
#[derive(Debug, Clone)]
enum Incident {
    CameraCloses,
    CameraStops,
    CameraStarts,
    Mute(bool),
    Sockets(bool),
    Users(usize),
}

fn incident() -> impl Strategy<Value = (u64, Incident)> {
    let incident = prop_oneof![
        Just(Incident::CameraCloses),
        Just(Incident::CameraStops),
        Just(Incident::CameraStarts),
        any::<bool>().prop_map(Incident::Mute),
        any::<bool>().prop_map(Incident::Sockets),
        (0..3_usize).prop_map(Incident::Users),
    ];
    let time = prop_oneof![0..100_u64, 0..20_000_u64, 0..120_000_u64];
    (time, incident)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// After any incidents in any order: frames are on the time line, there is a socket only while
    /// one is needed, and the stream returns when the camera does.
    #[test]
    fn stream_returns_after_any_incidents(
        on_demand: bool,
        restart: bool,
        camera in prop::sample::select(TestCamera::all().collect::<Vec<_>>()),
        seed in 0..1000_u64,
        incidents in prop::collection::vec(incident(), 1..15),
    ) {
        let linger = S(10);
        let mut policy = ReconnectPolicy::default();
        policy.retry_first = true;
        if restart {
            policy.give_up_attempts = Some(3);
            policy.restart_after = Some(S(30));
        }
        let (config, mut simulated) = configs_of(&camera);
        let mut config = SupervisorConfig::new(config.client, policy);
        if on_demand {
            config.keep = Keep::OnDemand { linger };
        }
        simulated.audio = Some(clip_audio(1, 10));
        let mut simulation = SupervisorSimulation::new(config, simulated, seed);
        let mut demand = Demand::default();
        let mut needed = simulation.now;
        for (time, incident) in incidents {
            let end = simulation.now + MS(time);
            loop {
                let more = simulation.step(end);
                if demand.users > 0 || !on_demand {
                    needed = simulation.now;
                }
                prop_assert!(!simulation.socket_open || simulation.now <= needed + linger);
                if !more {
                    break;
                }
            }
            match incident {
                Incident::CameraCloses => simulation.close_camera(),
                Incident::CameraStops => simulation.camera = None,
                Incident::CameraStarts => simulation.start_camera(),
                Incident::Mute(muted) => simulation.muted = muted,
                Incident::Sockets(fail) => simulation.sockets_fail = fail,
                Incident::Users(users) => {
                    demand.total_users += users.saturating_sub(demand.users) as u64;
                    demand.users = users;
                    simulation.set_demand(demand.users, demand.total_users);
                }
            }
        }
        simulation.muted = false;
        simulation.sockets_fail = false;
        simulation.start_camera();
        simulation.set_demand(1, demand.total_users + 1);
        simulation.events.clear();
        // A stall is detected after 10 s, then there may be a pause of 30 s.
        simulation.run(S(60));
        let is_frame = |event: &SupervisorEvent| matches!(event, SupervisorEvent::Frame(_));
        prop_assert!(simulation.events.iter().any(|(_, event)| is_frame(event)));
        simulation.close();
        prop_assert!(!simulation.socket_open && simulation.checks.ended);
    }
}
