//! Every wrong scenario prints exactly this.
//!
//! `errors/NAME.ron` is checked and compared with `errors/NAME.txt`. What cannot be a file in a repository (an empty directory,
//! bytes that are not UTF-8, a hundred thousand brackets) is made here; wrong arguments stand in `ARGUMENTS`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{compare, directory, transcript, twohop};

/// Golden name and arguments of wrong changes to a right scenario.
const ARGUMENTS: &[(&str, &[&str])] = &[
    (
        "set-unknown-name",
        &[
            "check",
            "right.ron",
            "--set",
            "services.ngnix.external_traffic_policy=Local",
        ],
    ),
    (
        "set-unknown-field",
        &[
            "check",
            "right.ron",
            "--set",
            "services.nginx.traffic_policy=Local",
        ],
    ),
    (
        "set-no-value",
        &["check", "right.ron", "--set", "deployments.nginx.replicas"],
    ),
    (
        "set-no-path",
        &["check", "right.ron", "--set", "deployments..replicas=3"],
    ),
    (
        "set-shell-quotes",
        &[
            "check",
            "right.ron",
            "--set",
            "deployments.nginx.server.service_time=20ms",
        ],
    ),
    (
        "set-wrong-variant",
        &[
            "check",
            "right.ron",
            "--set",
            "clients.users.arrivals.Constant.rate=\"5/s\"",
        ],
    ),
    (
        "set-variant-not-named",
        &[
            "check",
            "right.ron",
            "--set",
            "clients.users.arrivals.rate=\"5/s\"",
        ],
    ),
    (
        "set-other-default",
        &[
            "check",
            "right.ron",
            "--set",
            "cluster.proxy.KubeProxy.mode=Ipvs",
        ],
    ),
    (
        "set-past-the-end",
        &[
            "check",
            "right.ron",
            "--set",
            "load_balancer.rules[1].path=\"/x\"",
        ],
    ),
    (
        "set-into-a-value",
        &["check", "right.ron", "--set", "seed.low=1"],
    ),
    (
        "set-star-on-fields",
        &["check", "right.ron", "--set", "cluster.*=1"],
    ),
    (
        "set-wrong-type",
        &[
            "check",
            "right.ron",
            "--set",
            "deployments.nginx.replicas=\"three\"",
        ],
    ),
    (
        "set-several",
        &[
            "check",
            "right.ron",
            "--set",
            "a=",
            "--set",
            "b=1s",
            "--set",
            "[=1",
        ],
    ),
    ("no-such-file", &["check", "pods-or-node"]),
    ("no-such-scenario", &["show", "pods-or-node"]),
];

#[test]
fn wrong_files_print_exactly_this() {
    let mut files: Vec<PathBuf> = fs::read_dir(directory().join("errors"))
        .expect("the directory exists")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "ron")
                && !path.ends_with("right.ron")
        })
        .collect();
    files.sort_unstable();
    assert!(files.len() >= 30, "{} wrong scenarios", files.len());
    let names = files.iter().map(|path| {
        path.file_name()
            .and_then(|name| name.to_str())
            .expect("names are UTF-8")
    });
    let differences: Vec<String> = names
        .filter_map(|name| difference(&["check", name], name.trim_end_matches(".ron"), Some(1)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn wrong_arguments_print_exactly_this() {
    let code = |arguments: &[&str]| {
        if arguments[0] == "show" {
            Some(2)
        } else {
            Some(1)
        }
    };
    let differences: Vec<String> = ARGUMENTS
        .iter()
        .filter_map(|(name, arguments)| difference(arguments, name, code(arguments)))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn what_is_no_text_prints_exactly_this() {
    let made = Made::new();
    let wrong: [(&str, Vec<u8>); 6] = [
        ("not-utf8.ron", b"(\n    title: \"caf\xe9\",\n)".to_vec()),
        (
            "utf16.ron",
            "(seed: 1)"
                .encode_utf16()
                .fold(vec![0xFF, 0xFE], |mut bytes, unit| {
                    bytes.extend(unit.to_le_bytes());
                    bytes
                }),
        ),
        ("deep.ron", "(cluster: ".repeat(100_000).into_bytes()),
        ("comments.ron", "/*".repeat(100_000).into_bytes()),
        (
            "long-line.ron",
            format!("(seed: [{}$])", "1, ".repeat(100_000)).into_bytes(),
        ),
        ("nothing.ron", Vec::new()),
    ];
    let mut differences = Vec::new();
    for (name, bytes) in wrong {
        fs::write(made.0.join(name), bytes).expect("can be written");
        differences.extend(difference_of(&made, name));
    }
    fs::create_dir(made.0.join("directory.ron")).expect("can be made");
    differences.extend(difference_of(&made, "directory.ron"));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_file_of_zeros_ends() {
    let made = Made::new();
    let path = made.0.join("zeros.ron");
    fs::File::create(&path)
        .and_then(|file| file.set_len(1 << 30))
        .expect("a sparse file");
    let output = twohop(&["check", path.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("longer than 16 MiB"));
}

/// A directory for files that cannot lie in the repository.
struct Made(PathBuf);

impl Made {
    fn new() -> Self {
        let unique = format!("{:?}", std::thread::current().id()).replace(['(', ')'], "");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("can be made");
        Made(path)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// As `difference` for a made file, whose directory does not matter.
fn difference_of(made: &Made, name: &str) -> Option<String> {
    let path = made.0.join(name);
    let output = twohop(&["check", path.to_str().expect("UTF-8")]);
    let found = transcript(&output).replace(&format!("{}/", made.0.display()), "");
    let golden = directory().join("errors").join(name).with_extension("txt");
    judged(&golden, &found, output.status.code(), Some(1))
}

/// Runs the program; what differs from the golden file or the exit code.
fn difference(arguments: &[&str], golden: &str, code: Option<i32>) -> Option<String> {
    let output = twohop(arguments);
    let golden = directory()
        .join("errors")
        .join(golden)
        .with_extension("txt");
    judged(&golden, &transcript(&output), output.status.code(), code)
}

fn judged(golden: &Path, found: &str, code: Option<i32>, expected: Option<i32>) -> Option<String> {
    if code != expected {
        return Some(format!(
            "exit code {code:?}, expected {expected:?}\n{found}"
        ));
    }
    compare(golden, found).err()
}
