using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Image;

/// <summary>
/// `make image`, built by a real builder. The base images are stand-ins made here, in which what compiles hands out what make
/// has built already: every step of the Dockerfile runs, and nothing is fetched.
/// </summary>
public sealed class DockerfileTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Make_image_builds_what_the_container_tests_run()
    {
        Requires.Root();
        var buildah = Requires.Program("buildah", "buildah");
        var busybox = Requires.Program("busybox", "busybox-static");
        await ImageRoot.MakeAsync();
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "storage.conf"),
            $"[storage]\ndriver = \"vfs\"\ngraphroot = \"{folder}/graph\"\nrunroot = \"{folder}/run\"\n");
        // No short names to look up, and no policy file to be had from elsewhere.
        await File.WriteAllTextAsync(Path.Combine(folder, "policy.json"), """{"default": [{"type": "insecureAcceptAnything"}]}""");
        var environment = new Dictionary<string, string>
        {
            ["CONTAINERS_STORAGE_CONF"] = Path.Combine(folder, "storage.conf"),
            ["BUILDAH_ISOLATION"] = "chroot",
            ["BUILDER"] = "buildah",
            ["IMAGE"] = "localhost/sockwatch:test",
            ["SOURCE"] = "https://git.example/sockwatch.git",
            ["ARGS"] = string.Join(' ', new[] { "SDK_IMAGE", "CLANG_IMAGE", "LIBRARIES_IMAGE" }.Select(name => $"--build-arg {name}=localhost/standin"))
                + $" --signature-policy {folder}/policy.json",
        };
        try
        {
            await MakeStandInAsync(folder, busybox, buildah, environment);

            var made = await Shell.RunAsync("make", ["--no-print-directory", "-C", Repository.Root, "image"], environment);

            Assert.True(made.ExitCode == 0, made.Output + made.Errors);
            output.WriteLine(made.Output.TrimEnd().Split('\n')[^1]);
            var image = JsonNode.Parse((await Shell.RunAsync(buildah, ["inspect", "--type", "image", "localhost/sockwatch:test"], environment)).Output)!;
            var config = image["OCIv1"]!["config"]!;
            Assert.Equal("/usr/bin/sockwatch", (string)config["Entrypoint"]![0]!);
            Assert.Equal("0:0", (string)config["User"]!);
            Assert.Equal("Sockwatch", (string)config["Labels"]!["org.opencontainers.image.title"]!);
            Assert.Equal("0.1.0", (string)config["Labels"]!["org.opencontainers.image.version"]!);
            Assert.Equal("https://git.example/sockwatch", (string)config["Labels"]!["org.opencontainers.image.source"]!);
            Assert.Matches("^[0-9a-f]{40}$", (string)config["Labels"]!["org.opencontainers.image.revision"]!);
            Assert.Equal(await FilesAsync(ImageRoot.Folder), await FilesAsync(await MountAsync(buildah, "sockwatch", environment)));

            // For the other processor, the same compilers are asked for its code.
            var (other, rid) = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? ("amd64", "linux-x64") : ("arm64", "linux-arm64");
            Assert.Contains($"-r {rid} ", await AskedAsync("agent", other), StringComparison.Ordinal);
            Assert.Contains(other == "arm64" ? "ARCH=arm64" : "ARCH=x86", await AskedAsync("bpf", other), StringComparison.Ordinal);

            async Task<string> AskedAsync(string stage, string processor)
            {
                var built = await Shell.RunAsync("make", ["--no-print-directory", "-C", Repository.Root, "image"], new Dictionary<string, string>(environment)
                {
                    ["IMAGE"] = $"localhost/{stage}:test",
                    ["ARGS"] = $"{environment["ARGS"]} --target {stage} --build-arg TARGETARCH={processor}",
                });
                Assert.True(built.ExitCode == 0, built.Output + built.Errors);
                return await File.ReadAllTextAsync(Path.Combine(await MountAsync(buildah, stage, environment), "out", stage, "asked"));
            }
        }
        finally
        {
            await Shell.RunAsync("rm", "-rf", folder);
        }
    }

    /// <summary>Busybox, the loader and the libraries of the image, and what busybox has not: programs that do what the Dockerfile asks of them.</summary>
    private static async Task MakeStandInAsync(string folder, string busybox, string buildah, Dictionary<string, string> environment)
    {
        var root = Path.Combine(folder, "standin");
        // With the short cuts into /usr, as in the image itself.
        var copy = await Shell.RunAsync("cp", "-a", ImageRoot.Folder, root);
        Assert.True(copy.ExitCode == 0, copy.Errors);
        await Shell.RunAsync("chmod", "-R", "u+w", root);
        Directory.CreateDirectory(Path.Combine(root, "prebuilt"));
        var agent = Path.GetDirectoryName(Repository.Agent)!;
        File.Copy(Path.Combine(agent, "sockwatch"), Path.Combine(root, "prebuilt/sockwatch"));
        File.Copy(Path.Combine(agent, "bpf/sockwatch.bpf.o"), Path.Combine(root, "prebuilt/sockwatch.bpf.o"));
        Directory.Delete(Path.Combine(root, "usr/lib/sockwatch"), recursive: true);
        File.Delete(Path.Combine(root, "usr/bin/sockwatch"));
        File.Copy(busybox, Path.Combine(root, "usr/bin/busybox"));
        File.Copy("/sbin/ldconfig", Path.Combine(root, "usr/sbin/ldconfig"));
        var loader = RuntimeInformation.OSArchitecture == Architecture.Arm64 ? "/lib/ld-linux-aarch64.so.1" : "/lib64/ld-linux-x86-64.so.2";
        foreach (var (program, script) in new[]
        {
            ("apt-get", ":"),
            ("make", "mkdir -p /out/bpf; cp /prebuilt/sockwatch.bpf.o /out/bpf/; echo \"$@\" >/out/bpf/asked"),
            ("dotnet", "[ -f src/Sockwatch/Sockwatch.csproj ] && [ -f global.json ] || exit 1; mkdir -p /out/agent; cp /prebuilt/sockwatch /out/agent/; echo \"$@\" >/out/agent/asked"),
            ("install", "mode=755; while :; do case $1 in -D) shift ;; -m) mode=$2; shift 2 ;; *) break ;; esac; done; mkdir -p \"${2%/*}\"; cp -L \"$1\" \"$2\"; chmod $mode \"$2\""),
            ("ldd", $"for file; do LD_TRACE_LOADED_OBJECTS=1 {loader} \"$file\"; done"),
        })
        {
            var path = Path.Combine(root, "usr/bin", program);
            await File.WriteAllTextAsync(path, $"#!/bin/sh\n{script}\n");
            File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
        }

        var links = await Shell.RunAsync("chroot", root, "/usr/bin/busybox", "--install", "-s", "/usr/bin");
        Assert.True(links.ExitCode == 0, links.Errors);
        var cache = await Shell.RunAsync("chroot", root, "/usr/sbin/ldconfig");
        Assert.True(cache.ExitCode == 0, cache.Errors);
        var container = (await Shell.RunAsync(buildah, ["from", "scratch"], environment)).Output.Trim();
        await Shell.RunAsync(buildah, ["add", container, root, "/"], environment);
        var commit = await Shell.RunAsync(buildah, ["commit", "--signature-policy", Path.Combine(folder, "policy.json"), container, "localhost/standin"], environment);
        Assert.True(commit.ExitCode == 0, commit.Errors);
    }

    private static async Task<string> MountAsync(string buildah, string image, Dictionary<string, string> environment)
    {
        var container = (await Shell.RunAsync(buildah, ["from", $"localhost/{image}:test"], environment)).Output.Trim();
        return (await Shell.RunAsync(buildah, ["mount", container], environment)).Output.Trim();
    }

    /// <summary>Each file with its rights, and what it is a link to.</summary>
    private static async Task<string> FilesAsync(string root) =>
        (await Shell.RunAsync("find", root, "-mindepth", "1", "(", "-type", "f", "-printf", "%P %m\\n", "-o", "-type", "l", "-printf", "%P -> %l\\n", ")")).Output
            .Split('\n').Where(line => line.Length > 0).Order(StringComparer.Ordinal).Aggregate("", (all, line) => $"{all}{line}\n");
}
