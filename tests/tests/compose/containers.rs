//! A container as `docker inspect` shows it.

use serde_json::Value as Json;

use crate::stack::Stack;

/// A container.
#[derive(Debug, Clone)]
pub(crate) struct Container(Json);

/// A thing that a container sees in its file system beside its image.
#[derive(Debug)]
pub(crate) struct Mount {
    /// `volume` or `bind`.
    pub(crate) kind: String,
    /// Where the engine has it.
    pub(crate) source: String,
    /// Where the container sees it.
    pub(crate) destination: String,
    /// Whether the container may write to it.
    pub(crate) writable: bool,
}

impl Container {
    /// All that `docker inspect` told.
    pub(crate) fn parse_all(inspected: &str) -> Vec<Self> {
        let Ok(Json::Array(all)) = serde_json::from_str(inspected) else { panic!("no array: {inspected}") };
        all.into_iter().map(Self).collect()
    }

    /// What is at a path such as `/HostConfig/Memory`; null if nothing is.
    pub(crate) fn at(&self, path: &str) -> &Json {
        self.0.pointer(path).unwrap_or(&Json::Null)
    }

    fn text(&self, path: &str) -> String {
        self.at(path).as_str().unwrap_or_else(|| panic!("{} has no {path}", self.0)).to_owned()
    }

    /// Its id.
    pub(crate) fn id(&self) -> String {
        self.text("/Id")
    }

    /// Its name, for messages.
    pub(crate) fn name(&self) -> String {
        self.text("/Name").trim_start_matches('/').to_owned()
    }

    /// The service that it is one of.
    pub(crate) fn service(&self) -> String {
        self.text("/Config/Labels/com.docker.compose.service")
    }

    /// The image by the name that docker-compose.yml has.
    pub(crate) fn image(&self) -> String {
        self.text("/Config/Image")
    }

    /// When it was started last.
    pub(crate) fn started_at(&self) -> String {
        self.text("/State/StartedAt")
    }

    /// The engine's id of its first process; 0 if it does not run.
    pub(crate) fn pid(&self) -> u64 {
        self.at("/State/Pid").as_u64().unwrap_or_default()
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        self.at("/State/Running") == true
    }

    /// Whether its health check says so.
    pub(crate) fn is_healthy(&self) -> bool {
        self.is_running() && self.at("/State/Health/Status") == "healthy"
    }

    /// Volumes and files of this machine in it.
    pub(crate) fn mounts(&self) -> Vec<Mount> {
        let text = |mount: &Json, key: &str| mount[key].as_str().unwrap_or_default().to_owned();
        let mount = |mount: &Json| Mount {
            kind: text(mount, "Type"),
            source: text(mount, "Source"),
            destination: text(mount, "Destination"),
            writable: mount["RW"] == true,
        };
        self.at("/Mounts").as_array().into_iter().flatten().map(mount).collect()
    }

    /// Where memory is mounted for it to write to.
    pub(crate) fn scratch(&self) -> Vec<String> {
        self.at("/HostConfig/Tmpfs").as_object().into_iter().flatten().map(|(path, _)| path.clone()).collect()
    }

    /// The engine's ids of all its processes.
    pub(crate) fn pids(&self, stack: &Stack) -> Vec<String> {
        let listed = stack.docker(&["top", &self.id()]);
        let mut lines = listed.lines();
        let heads = lines.next().unwrap_or_default();
        let column = heads.split_whitespace().position(|head| head == "PID").expect("docker top has PID");
        lines.filter_map(|line| line.split_whitespace().nth(column)).map(str::to_owned).collect()
    }
}
