// udocker run: execute a program in a container.
#include "cli/applet.hpp"
#include "ops/run.hpp"
#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

using cli::Repeat;

constexpr cli::Option kOptions[] = {
    {"--rm", "", "delete the container after the run"},
    {"-w --workdir", "PATH", "working directory in the container"},
    {"-u --user", "NAME|UID[:GID]", "user to be in the container"},
    {"-v --volume", "HOST[:CONT[:ro]]", "show a file or directory of the host in the container", Repeat::list},
    {"--mount", "SPEC", "the same in docker's long form: type=bind,src=X,dst=Y[,ro]", Repeat::list},
    {"--novol", "HOST", "drop a volume from the list", Repeat::list},
    {"-e --env", "VAR[=VALUE]", "set an environment variable", Repeat::list},
    {"--env-file", "FILE", "read environment variables from a file (- is stdin)", Repeat::list},
    {"--hostauth", "", "use the host's passwd and group"},
    {"--containerauth", "", "use the container's passwd and group untouched"},
    {"--nosysdirs", "", "do not show /dev /proc /sys and /etc/resolv.conf"},
    {"--nometa", "", "ignore what the image says about running it"},
    {"--hostenv", "", "pass the host's environment"},
    {"--cpuset-cpus", "LIST", "CPUs to run on, as 0,2-3"},
    {"--name", "NAME", "give the container this name"},
    {"--bindhome", "", "show the home directory of the host"},
    {"--hostname", "NAME", "host name in the container (P, T and R modes)"},
    {"--kernel", "RELEASE", "kernel release to show (P and T modes)"},
    {"--location", "DIR", "run in a directory tree made by another tool"},
    {"-p --publish", "HOST:CONTAINER", "use another port of the host (P and T modes)", Repeat::list},
    {"-P --publish-all --netcoop", "", "use free ports of the host (P and T modes)"},
    {"--device", "/dev/X|CDI-NAME", "pass a device by path (R modes) or as a CDI file describes it", Repeat::list},
    {"--gpus", "all|N|device=LIST", "GPUs to show; the driver's files come with them"},
    {"--dri", "", "show the host's direct rendering libraries and nodes"},
    {"--mpi", "", "a task of mpiexec or srun: environment, account, /tmp, memory of the host"},
    {"--ipc", "MODE", "host: shared memory of the host in R modes too (MPI)"},
    {"--pid", "MODE", "host: process numbers of the host in R modes too (MPI)"},
    {"--entrypoint", "COMMAND", "program to run in place of the image's; empty clears it"},
    {"--execmode", "MODE", "execution mode for this run, or auto"},
    {"--pull", "[WHEN]", "pull the image: missing, never, always or reuse"},
    {"--platform", "OS/ARCH", "platform of an image that has to be pulled"},
    {"--index", "URL", "index for the pull"},
    {"--registry", "URL", "registry for the pull"},
    {"--httpproxy", "URL", "proxy for the pull"},
    {"--nobanner", "", "no start banner"},
    {"--read-only", "", "the container's files cannot be changed (R modes)"},
    {"--allow-static", "", "let static programs run outside of the container's view where nothing can confine them (F modes)"},
    {"--cidfile", "FILE", "write the container's id to a file"},
    {"--ulimit", "NAME=SOFT[:HARD]", "set a limit of the program, as nofile=1024", Repeat::list},
    // Docker's other options: those that change nothing here …
    {"-i --interactive", "", "accepted: standard streams and terminal are always passed through"},
    {"-t --tty", "", "accepted: standard streams and terminal are always passed through"},
    {"-a --attach", "", "accepted: standard streams and terminal are always passed through"},
    {"--dns --dns-search --dns-option --add-host --expose --link", "X", "accepted: the host's network is used", Repeat::list},
    {"--network --net", "X", "accepted: the host's network is used"},
    {"--uts --userns --cgroupns", "X", "accepted, no effect", Repeat::list},
    {"--volumes-from --label --label-file -l", "X", "accepted, no effect", Repeat::list},
    {"--init --no-healthcheck --sig-proxy --disable-content-trust", "", "accepted, no effect"},
    {"--log-driver --log-opt --stop-signal --stop-timeout --restart --health-cmd --health-interval", "X", "accepted, no effect", Repeat::list},
    {"--cap-drop --security-opt --group-add", "X", "accepted: a container has no privileges to begin with", Repeat::list},
    {"--shm-size", "X", "accepted: the host's /dev/shm is used"},
    // … and those that would promise what cannot be kept.
    {"--detach -d", "", "refused: use `&` or nohup of the shell"},
    {"--privileged", "", "refused: there are no privileges to give"},
    {"--cap-add", "X", "refused: there are no privileges to give", Repeat::list},
    {"--memory -m --memory-swap --memory-reservation --cpus --cpu-shares --cpu-quota --cpu-period --pids-limit --blkio-weight", "X", "refused: limits are the batch system's; see also --ulimit"},
    {"--cgroup-parent --device-cgroup-rule --device-read-bps --device-write-bps", "X", "refused: needs rights over control groups"},
    {"--ip --ip6 --mac-address --network-alias", "X", "refused: a network of its own needs privileges"},
    {"--tmpfs", "X", "refused: use -v with a folder of the host", Repeat::list},
};

// Options that are in the table to be refused by name, and why.
void refuse_impossible(const cli::Arguments& args) {
  for (const auto& option : kOptions) {
    std::string_view help = option.help;
    if (!help.starts_with("refused: ")) continue;
    std::string key = split_words(option.names).back();
    key.erase(0, key.find_first_not_of('-'));
    if (args.has(key)) throw UsageError(cat("option ", join(split_words(option.names), " or "), " ", help));
  }
  std::string network = args.value_or("net", "host");
  if (network != "host" && network != "bridge" && network != "default")
    throw UsageError(cat("--network=", printable(network), " cannot be made without privileges; the host's network is used"));
}

constexpr const char* kExamples =
    "  udocker run busybox                               pull if needed, make a container, run its command\n"
    "  udocker run --rm -v /data:/mnt -w /mnt ubuntu ls  one run with a folder of the host\n"
    "  udocker run mycontainer /bin/bash -c 'id; pwd'    in a container made by `create --name=mycontainer`\n"
    "  udocker run --user=root mycontainer apt-get install -y gcc\n";

// type=bind,src=/a,dst=/b[,readonly] as the text of -v.
std::string volume_of_mount(const std::string& text) {
  std::string type = "bind", source, target, mode;
  for (const auto& item : split(text, ',')) {
    auto equals = item.find('=');
    std::string key = item.substr(0, equals), value = equals == std::string::npos ? "" : item.substr(equals + 1);
    if (key == "type") type = value;
    else if (key == "src" || key == "source") source = value;
    else if (key == "dst" || key == "target" || key == "destination") target = value;
    else if (key == "ro" || key == "readonly") mode = value == "false" ? "" : ":ro";
    else if (key != "bind-propagation") throw UsageError(cat("--mount: unknown key ", printable(key)));
  }
  if (type != "bind") throw UsageError(cat("--mount: only type=bind can be done without privileges, not ", printable(type)));
  if (source.empty() || target.empty()) throw UsageError(cat("--mount needs src and dst: ", printable(text)));
  return cat(source, ":", target, mode);
}

ops::RunOptions options_of(const cli::Arguments& args) {
  ops::RunOptions o;
  o.location = args.value_or("location", "");
  std::size_t first = 0;
  if (o.location.empty()) {
    o.target = args.word(0, "container_id or image:tag");
    first = 1;
  }
  o.command.assign(args.words().begin() + static_cast<long>(std::min(first, args.words().size())), args.words().end());
  o.name = args.value_or("name", "");
  o.user = args.value_or("user", "");
  o.workdir = args.value_or("workdir", "");
  o.hostname = args.value_or("hostname", "");
  o.kernel = args.value_or("kernel", "");
  o.platform = args.value_or("platform", "");
  o.pull = args.value_or("pull", "");
  o.index = args.value_or("index", "");
  o.registry = args.value_or("registry", "");
  o.http_proxy = args.value_or("httpproxy", "");
  o.cpuset = args.value_or("cpuset-cpus", "");
  o.execmode = args.value_or("execmode", "");
  o.gpus = args.value_or("gpus", "");
  o.entrypoint = args.value("entrypoint");
  o.volumes = args.values("volume");
  for (const auto& mount : args.values("mount")) o.volumes.push_back(volume_of_mount(mount));
  o.no_volumes = args.values("novol");
  o.env = args.values("env");
  o.env_files = args.values("env-file");
  o.devices = args.values("device");
  o.publish = args.values("publish");
  o.limits = args.values("ulimit");
  o.id_file = args.value_or("cidfile", "");
  o.remove = args.has("rm");
  o.host_auth = args.has("hostauth");
  o.container_auth = args.has("containerauth");
  o.no_sysdirs = args.has("nosysdirs");
  o.no_meta = args.has("nometa");
  o.host_env = args.has("hostenv");
  o.bind_home = args.has("bindhome");
  o.mpi = args.has("mpi");
  o.publish_all = o.netcoop = args.has("netcoop");
  o.dri = args.has("dri");
  o.no_banner = args.has("nobanner");
  o.read_only = args.has("read-only");
  o.allow_static = args.has("allow-static");
  o.ipc_of_host = args.value_or("ipc", "") == "host";
  o.pid_of_host = args.value_or("pid", "") == "host";
  return o;
}

int run(const cli::Arguments& args) {
  refuse_impossible(args);
  ops::RunOptions options = options_of(args);
  ops::Session session(args);
  return ops::run_container(session, options);
}

}  // namespace

extern const cli::Applet applet_run{"run",    "run [options] <container|image> [command [arguments]]",
                                    "execute a program in a container", kOptions, run,
                                    kExamples, cli::Words::stop_options};

}  // namespace udocker
