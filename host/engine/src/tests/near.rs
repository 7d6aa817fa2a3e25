//! Steps go where what they read is.

use cofferdam_model::*;

use super::kit::*;

/// Chains, layer by layer, so that the order of the plan is the worst for staying where one is.
fn chains(n_chains: u32, length: u32) -> Plan {
    let mut steps = vec![];
    for layer in 0..length {
        for chain in 0..n_chains {
            let key = format!("c{chain}_{layer}");
            let above = layer.checked_sub(1).map(|up| of(up * n_chains + chain));
            steps.push(reads(&key, above.into_iter().collect()));
        }
    }
    plan(steps)
}

fn stored(key: &str) -> Output {
    let place = Place::Stored(format!("values/{key}"));
    Output { value: ValueRef { place, size: 1 << 20, ..value(1) }, ..emit("result", None, 1) }
}

/// Plays a plan to its end, attempts ending in a random order; how many steps that read something found it where
/// they ran, and how many there were.
fn play(world: &mut World, mut seed: u64) -> (u32, u32) {
    let mut made_at = std::collections::HashMap::new();
    let (mut near, mut all) = (0, 0);
    while !world.under_way.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = usize::try_from(seed >> 33).unwrap() % world.under_way.len();
        let (worker, assignment) = &world.under_way[at];
        for input in &assignment.inputs {
            let AssignedValue::One(value) = &input.value else { panic!("one value") };
            all += 1;
            near += u32::from(made_at[value.place.key().unwrap()] == *worker);
        }
        let key = assignment.id.step.to_string();
        let output = stored(&key);
        made_at.insert(output.value.place.key().unwrap().to_owned(), *worker);
        world.finish(&key, ok(vec![output]));
    }
    (near, all)
}

#[test]
fn c14_chains_stay_with_the_worker_that_holds_what_they_read() {
    for (n_workers, slots, n_chains) in [(2, 1, 8), (2, 4, 8), (2, 4, 40), (5, 2, 30), (4, 8, 32)] {
        let mut world = World::new();
        for worker in 1..=n_workers {
            world.join(WorkerId(worker), slots, &[]);
        }
        world.submit(RUN, chains(n_chains, 40));
        let (near, all) = play(&mut world, n_workers);
        assert_eq!(all, n_chains * 39);
        let percent = near * 100 / all;
        assert!(percent >= 90, "{percent} % with {n_workers} workers, {slots} slots, {n_chains} chains");
        assert_eq!(ended(&world), RunStatus::Succeeded);
    }
}

#[test]
fn a_free_slot_is_never_kept_for_what_is_near() {
    let mut world = World::new();
    world.join(WorkerId(1), 1, &[]);
    world.submit(RUN, chains(3, 2));
    for key in ["c0_0", "c1_0", "c2_0"] {
        world.finish(key, ok(vec![stored(key)]));
    }
    assert_eq!(world.running(), ["c0_1"]);
    world.join(WorkerId(2), 1, &[]);
    assert_eq!(world.running(), ["c0_1", "c1_1"], "all that it reads is at the other one, which is busy");
}

#[test]
fn equal_workers_share_the_first_steps_and_a_new_one_gets_what_others_have_no_room_for() {
    let mut world = World::new();
    world.join(WorkerId(1), 2, &[]);
    world.join(WorkerId(2), 2, &[]);
    world.submit(RUN, plan((0..9).map(|n| step(&format!("s{n}"))).collect()));
    let workers = |world: &World| world.under_way.iter().map(|(worker, _)| worker.0).collect::<Vec<_>>();
    assert_eq!(workers(&world), [1, 2, 1, 2]);
    world.done("s0");
    world.join(WorkerId(3), 2, &[]);
    assert_eq!(workers(&world), [2, 1, 2, 1, 3, 3]);
}
