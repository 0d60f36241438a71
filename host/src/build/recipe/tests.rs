//! The commands of each kind, as they would be typed.

use super::*;

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { dir }
    }

    fn places(&self) -> Places {
        Places {
            root: self.dir.path().to_owned(),
            package: "/m/package".into(),
            scratch: "/m/scratch".into(),
            own: "/m".into(),
        }
    }

    fn recipe(&self, kind: Kind) -> Recipe {
        Recipe::of(kind, &self.places(), &Machine::default()).unwrap()
    }
}

fn lines(recipe: &Recipe) -> Vec<String> {
    recipe.steps.iter().map(Step::line).collect()
}

#[test]
fn go_is_one_static_program_whose_main_is_found() {
    let arch = go_architecture();
    for (files, main) in [
        (&[("main.go", "package main\n")][..], "."),
        (&[("lib.go", "package lib\n"), ("cmd/fn/main.go", "// x\npackage main\n")], "./cmd/fn"),
    ] {
        let said = lines(&Project::new(files).recipe(Kind::Go));
        let expected = format!(
            "CGO_ENABLED=0 GOOS=linux GOARCH={arch} go build -trimpath -tags lambda.norpc \
             -ldflags '-s -w' -o /m/package/bootstrap {main}"
        );
        assert_eq!(said, [expected]);
    }
}

#[test]
fn several_mains_are_for_the_user_to_choose_from() {
    let project =
        Project::new(&[("cmd/a/main.go", "package main\n"), ("cmd/b/main.go", "package main\n")]);
    let error = Recipe::of(Kind::Go, &project.places(), &Machine::default()).unwrap_err();
    assert!(error.to_string().contains("./cmd/a, ./cmd/b"), "{error}");
    assert!(error.remedy().unwrap().contains("--build-cmd"));
}

#[test]
fn rust_is_built_static_where_that_is_installed() {
    let project = Project::new(&[]);
    let target = Some("x86_64-unknown-linux-musl".to_owned());
    let machine = Machine { static_target: target, ..Machine::default() };
    let recipe = Recipe::of(Kind::Cargo, &project.places(), &machine).unwrap();
    let line = "cargo build --release --message-format json-render-diagnostics";
    assert_eq!(lines(&recipe), [format!("{line} --target x86_64-unknown-linux-musl")]);
    assert_eq!(lines(&project.recipe(Kind::Cargo)), [line]);
    assert_eq!(recipe.take, Take::CargoProgram);
}

#[test]
fn npm_installs_by_the_lock_and_runs_what_the_project_calls_building() {
    let bare = Project::new(&[("package.json", "{}")]);
    assert!(bare.recipe(Kind::Npm).steps.is_empty());
    let needs = r#"{"dependencies":{"a":"1"}}"#;
    let unlocked = Project::new(&[("package.json", needs)]);
    assert_eq!(
        lines(&unlocked.recipe(Kind::Npm)),
        ["npm install --no-package-lock --omit=dev --no-audit --no-fund"]
    );
    let locked = Project::new(&[("package.json", needs), ("package-lock.json", "{}")]);
    assert_eq!(lines(&locked.recipe(Kind::Npm)), ["npm ci --omit=dev --no-audit --no-fund"]);
    let translated = r#"{"scripts":{"build":"tsc"},"devDependencies":{"typescript":"5"}}"#;
    let translated = Project::new(&[("package.json", translated), ("package-lock.json", "{}")]);
    assert_eq!(
        lines(&translated.recipe(Kind::Npm)),
        [
            "npm ci --no-audit --no-fund",
            "npm run build",
            "npm prune --omit=dev --no-audit --no-fund"
        ]
    );
}

#[test]
fn pip_takes_requirements_then_dependencies_then_the_project_itself() {
    let start = "python3 -m pip install --disable-pip-version-check --no-input --target /m/package";
    for (files, more, sources) in [
        (
            &[("requirements.txt", "x"), ("pyproject.toml", "")][..],
            Some("--requirement requirements.txt"),
            Sources::Last,
        ),
        (
            &[("pyproject.toml", "[project]\nname='x'\ndependencies=['a>=1','b']")],
            Some("'a>=1' b"),
            Sources::Last,
        ),
        (
            &[("pyproject.toml", "[build-system]\nrequires=['hatchling']\n[project]\nname='x'")],
            Some("."),
            Sources::CopiedToo,
        ),
        (&[("pyproject.toml", "[tool.ruff]\n")], None, Sources::Last),
    ] {
        let recipe = Project::new(files).recipe(Kind::Pip);
        let expected: Vec<String> = more.iter().map(|more| format!("{start} {more}")).collect();
        assert_eq!(lines(&recipe), expected, "{files:?}");
        assert_eq!(recipe.sources, sources, "{files:?}");
    }
}

#[test]
fn java_takes_classes_and_run_time_libraries_by_the_projects_own_tool() {
    let own = Project::new(&[("pom.xml", "<project/>"), ("mvnw", "")]).recipe(Kind::Maven);
    assert!(own.steps[0].line().starts_with("./mvnw -B -DskipTests package "), "{own:?}");
    let maven = Project::new(&[("pom.xml", "<project/>")]).recipe(Kind::Maven);
    assert!(maven.steps[0].line().starts_with("mvn -B "), "{maven:?}");
    assert!(maven.steps[0].line().ends_with("-DoutputDirectory=/m/package/lib"), "{maven:?}");
    let parent = Project::new(&[("pom.xml", "<packaging>pom</packaging>")]);
    assert!(Recipe::of(Kind::Maven, &parent.places(), &Machine::default()).is_err());
    let gradle = Project::new(&[("gradlew", "")]).recipe(Kind::Gradle);
    assert!(gradle.steps[0].line().contains("./gradlew --console plain --init-script /m/"));
}

#[test]
fn ruby_and_dotnet_use_their_own_words() {
    let ruby = Project::new(&[("Gemfile", ""), ("Gemfile.lock", "")]).recipe(Kind::Bundler);
    let line = "BUNDLE_PATH=vendor/bundle BUNDLE_WITHOUT=development:test BUNDLE_FROZEN=true";
    assert_eq!(lines(&ruby), [format!("{line} bundle install")]);
    let dotnet = Project::new(&[("Hello.csproj", "")]).recipe(Kind::DotNet);
    let line = "dotnet publish Hello.csproj --nologo --configuration Release --output /m/package";
    assert_eq!(lines(&dotnet), [line]);
}

#[test]
fn a_manifest_that_cannot_be_read_is_named() {
    let project = Project::new(&[("package.json", "{")]);
    let error = Recipe::of(Kind::Npm, &project.places(), &Machine::default()).unwrap_err();
    assert!(error.to_string().contains("package.json: EOF while parsing"), "{error}");
}
