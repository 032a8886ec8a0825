//! Generated scenarios: that the API takes them, and reads what is written of them.

use std::error::Error;

use calidiff::calico::resources::Api;
use calidiff::calico::{read, resolve, write};
use calidiff::generate::bits::{Given, Seeded};
use calidiff::generate::world::{Dials, scenario};
use calidiff::node;
use calidiff::render::{modern, seed};
use calidiff::scenario::Scenario;
use proptest::prelude::*;

type Outcome = Result<(), Box<dyn Error>>;

fn holds(made: &Scenario) -> Outcome {
    let resources = made.resources.as_ref().ok_or("no resources")?;
    let text = write::write(resources)?;
    let read = read::read("generated.yaml", &text).map_err(|error| format!("{error}\n{text}"))?;
    assert_eq!(&read, resources, "{text}");
    let text = node::text::write(&made.node)?;
    assert_eq!(node::text::read("node.yaml", &text)?, made.node);
    let world = resolve(resources, &made.node.name);
    match resources.api {
        Api::V1 => drop(seed::draft(&world, &made.node)?),
        Api::V3 => drop(modern::draft(&world, &made.node)?),
    }
    Ok(())
}

const ERAS: [Api; 2] = [Api::V1, Api::V3];

proptest! {
    #[test]
    fn any_bytes_are_a_scenario_that_the_api_takes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for api in ERAS {
            let made = scenario(&mut Given::new(&bytes), &Dials::default(), api);
            holds(&made).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
    }

    #[test]
    fn any_seed_is_a_scenario_that_the_api_takes(seed: u64) {
        for api in ERAS {
            let made = scenario(&mut Seeded::new(seed), &Dials::default(), api);
            holds(&made).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
    }
}
