using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using k8s.Models;
using Sockwatch.KernelTests.Agents;

namespace Sockwatch.DeployTests.Chart;

/// <summary>The chart, rendered for every example.</summary>
public sealed class ChartTests
{
    public static TheoryData<string> Examples() =>
        [.. Directory.EnumerateDirectories(Path.Combine(Renderer.Chart, "examples")).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Examples))]
    public async Task An_example_renders_to_its_golden_file(string example)
    {
        var rendered = await Renderer.RenderAsync("-f", Values(example));

        AssertGolden(Path.Combine(Renderer.Chart, "examples", example, "rendered.yaml"), rendered);
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public async Task Every_object_has_only_fields_that_kubernetes_knows(string example)
    {
        var objects = Manifests.Read(await Renderer.RenderAsync("-f", Values(example)));

        Assert.Contains(objects, item => item is V1DaemonSet);
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public async Task What_is_rendered_is_clean_yaml(string example)
    {
        var yamllint = Requires.Program("yamllint", "yamllint");
        var file = Path.Combine(Repository.Root, $"artifacts/deploy/{example}.yaml");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, await Renderer.RenderAsync("-f", Values(example)));

        var lint = await Shell.RunAsync(
            yamllint, "--strict", "-d", "{extends: default, rules: {line-length: disable, document-start: disable, braces: disable, indentation: {indent-sequences: whatever}}}", file, Values(example));

        Assert.True(lint.ExitCode == 0, lint.Output);
    }

    [Fact]
    public async Task The_values_and_the_chart_itself_are_clean_yaml()
    {
        var yamllint = Requires.Program("yamllint", "yamllint");

        var lint = await Shell.RunAsync(
            yamllint, "--strict", "-d", "{extends: default, rules: {line-length: {max: 130}, document-start: disable}}",
            Path.Combine(Renderer.Chart, "values.yaml"), Path.Combine(Renderer.Chart, "Chart.yaml"));

        Assert.True(lint.ExitCode == 0, lint.Output);
    }

    [Fact]
    public async Task Helm_renders_the_same_objects()
    {
        var helm = Requires.ProgramFromElsewhere("helm");
        foreach (var example in Examples().Select(row => row.Data))
        {
            var ours = Manifests.Documents(await Renderer.RenderAsync("-f", Values(example)));
            var helms = await Shell.RunAsync(helm, "template", "sockwatch", Renderer.Chart, "--namespace", "sockwatch", "-f", Values(example));

            Assert.True(helms.ExitCode == 0, helms.Errors);
            Assert.Equal(ours.Select(Manifests.Meaning).Order(StringComparer.Ordinal), Manifests.Documents(helms.Output).Select(Manifests.Meaning).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public async Task The_plain_manifests_are_the_chart_as_it_is()
    {
        var rendered = await Renderer.RenderAsync();

        var plain = string.Concat(Manifests.Documents(rendered).Select(document => "---\n" + string.Join('\n', document.Split('\n').Where(line =>
            !line.StartsWith("# Source: ", StringComparison.Ordinal)
            && !line.Contains("helm.sh/chart: ", StringComparison.Ordinal)
            && !line.Contains("app.kubernetes.io/managed-by: ", StringComparison.Ordinal)))));
        AssertGolden(Path.Combine(Repository.Root, "deploy/kubernetes/sockwatch.yaml"), """
            # The chart as it is by default, for those without Helm: kubectl apply -f sockwatch.yaml
            # Made from deploy/helm/sockwatch; change that, and run the tests with UPDATE_GOLDEN=1.
            ---
            apiVersion: v1
            kind: Namespace
            metadata:
              name: sockwatch
              labels:
                # The hooks need capabilities, the node's cgroups and its list of processes.
                pod-security.kubernetes.io/enforce: privileged

            """ + plain);
        Manifests.Read(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "deploy/kubernetes/sockwatch.yaml")));
    }

    [Theory]
    [InlineData("BPF PERFMON NET_ADMIN")]
    [InlineData("BPF PERFMON NET_ADMIN SYS_ADMIN", "config.diagnostics.programStats=on")]
    [InlineData("BPF PERFMON NET_ADMIN SYS_ADMIN", "config.diagnostics.programStats=sampled")]
    [InlineData("BPF PERFMON NET_ADMIN NET_BIND_SERVICE", "port=80")]
    [InlineData("BPF PERFMON NET_ADMIN SYS_RESOURCE", "capabilities.kernelBefore511=true")]
    [InlineData("BPF PERFMON NET_ADMIN SYS_PTRACE DAC_READ_SEARCH", "capabilities.kernelWithoutTypes=true")]
    [InlineData("BPF PERFMON NET_ADMIN SYSLOG", "config.payload.direction=client", "config.payload.all=true")]
    [InlineData("BPF PERFMON NET_ADMIN SYSLOG", "config.payload.recogniseProtocols=true")]
    [InlineData("BPF PERFMON NET_ADMIN", "config.payload.limit=4096", "config.payload.recogniseProtocols=false")]
    [InlineData("BPF PERFMON NET_ADMIN SYS_RESOURCE SYSLOG", "capabilities.kernelBefore511=true", "config.payload.direction=both")]
    [InlineData("BPF PERFMON NET_ADMIN SYS_PTRACE", "capabilities.extra={SYS_PTRACE,BPF}")]
    public async Task Capabilities_follow_from_what_is_enabled(string expected, params string[] sets)
    {
        var rendered = await Renderer.RenderAsync([.. sets.SelectMany(set => new[] { "--set", set })]);

        var context = Manifests.Only<V1DaemonSet>(rendered).Spec.Template.Spec.Containers.Single().SecurityContext;
        Assert.Equal(expected, string.Join(' ', context.Capabilities.Add));
        Assert.Equal(["ALL"], context.Capabilities.Drop);
    }

    [Theory]
    [InlineData("pods:list,watch replicasets:get jobs:get services:list,watch nodes:list,watch")]
    [InlineData("pods:list,watch replicasets:get jobs:get services:list,watch", "config.kubernetes.scope=node")]
    [InlineData("pods:list,watch replicasets:get jobs:get", "config.kubernetes.scope=off")]
    [InlineData("", "config.kubernetes.enabled=off")]
    public async Task The_api_server_grants_what_the_names_need(string expected, params string[] sets)
    {
        var objects = Manifests.Read(await Renderer.RenderAsync([.. sets.SelectMany(set => new[] { "--set", set })]));

        var rules = objects.OfType<V1ClusterRole>().SelectMany(role => role.Rules);
        Assert.Equal(expected, string.Join(' ', rules.SelectMany(rule => rule.Resources.Select(resource => $"{resource}:{string.Join(',', rule.Verbs)}"))));
        Assert.Equal(expected.Length > 0, objects.OfType<V1ClusterRoleBinding>().Any());
        Assert.Equal(expected.Length > 0, objects.OfType<V1DaemonSet>().Single().Spec.Template.Spec.AutomountServiceAccountToken);
        Assert.False(objects.OfType<V1ServiceAccount>().Single().AutomountServiceAccountToken);
    }

    [Theory]
    [InlineData("53/UDP 53/TCP 443/TCP 6443/TCP")]
    [InlineData("", "config.kubernetes.enabled=off")]
    [InlineData("53/UDP 53/TCP", "config.kubernetes.enabled=off", "config.enrichment.reverseDns=true")]
    [InlineData("53/UDP 53/TCP 4318/TCP", "config.kubernetes.enabled=off", "config.otlp.endpoint=http://collector:4318/v1")]
    [InlineData("53/UDP 53/TCP 443/TCP", "config.kubernetes.enabled=off", "config.otlp.endpoint=https://collector")]
    [InlineData("53/UDP 53/TCP 4317/TCP 443/TCP 6443/TCP", "config.otlp.endpoint=http://[2001:db8::1]:4317")]
    public async Task The_policy_lets_out_what_the_configuration_calls(string expected, params string[] sets)
    {
        var rendered = await Renderer.RenderAsync(["--set", "networkPolicy.enabled=true", .. sets.SelectMany(set => new[] { "--set", set })]);

        var policy = Manifests.Only<V1NetworkPolicy>(rendered).Spec;
        Assert.Equal(["Ingress", "Egress"], policy.PolicyTypes);
        Assert.Equal("metrics", Assert.Single(Assert.Single(policy.Ingress).Ports).Port.Value);
        Assert.Equal(expected, string.Join(' ', (policy.Egress ?? []).SelectMany(rule => rule.Ports).Select(port => $"{port.Port.Value}/{port.Protocol}")));
    }

    [Fact]
    public async Task The_pod_has_no_right_that_it_does_not_need()
    {
        var pod = Manifests.Only<V1DaemonSet>(await Renderer.RenderAsync()).Spec.Template.Spec;

        var container = pod.Containers.Single();
        Assert.False(container.SecurityContext.Privileged);
        Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
        Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
        Assert.Equal("RuntimeDefault", container.SecurityContext.SeccompProfile.Type);
        Assert.False(pod.HostNetwork);
        Assert.Null(pod.HostIPC);
        Assert.Equal("/sys/fs/cgroup", Assert.Single(pod.Volumes, volume => volume.HostPath is not null).HostPath.Path);
        Assert.All(container.VolumeMounts.Where(mount => mount.Name != "state"), mount => Assert.True(mount.ReadOnlyProperty));
        Assert.Equal(("/livez", "/livez", "/readyz"),
            (container.StartupProbe.HttpGet.Path, container.LivenessProbe.HttpGet.Path, container.ReadinessProbe.HttpGet.Path));
    }

    [Fact]
    public async Task A_change_of_the_configuration_changes_the_pods()
    {
        var before = Manifests.Only<V1DaemonSet>(await Renderer.RenderAsync()).Spec.Template.Metadata.Annotations;
        var after = Manifests.Only<V1DaemonSet>(await Renderer.RenderAsync("--set", "config.collection.interval=10s")).Spec.Template.Metadata.Annotations;

        Assert.NotEqual(before["checksum/config"], after["checksum/config"]);
    }

    [Fact]
    public async Task A_label_of_the_pods_wins_over_the_one_of_all_objects()
    {
        var rendered = await Renderer.RenderAsync("--set", "commonLabels.team=all", "--set", "commonLabels.stage=test", "--set", "podLabels.team=pods");

        var set = Manifests.Only<V1DaemonSet>(rendered);
        Assert.Equal(("all", "test"), (set.Metadata.Labels["team"], set.Metadata.Labels["stage"]));
        Assert.Equal(("pods", "test"), (set.Spec.Template.Metadata.Labels["team"], set.Spec.Template.Metadata.Labels["stage"]));
    }

    [Fact]
    public async Task The_standard_variables_of_opentelemetry_are_left_to_the_user()
    {
        var rendered = await Renderer.RenderAsync("-f", await Renderer.WriteAsync("""
            config: {otlp: {endpoint: "http://collector:4317"}}
            extraEnv: [{name: OTEL_RESOURCE_ATTRIBUTES, value: team=shop}]
            """));

        var environment = Manifests.Only<V1DaemonSet>(rendered).Spec.Template.Spec.Containers.Single().Env.Select(one => one.Name);
        Assert.Equal(["NODE_NAME", "OTEL_RESOURCE_ATTRIBUTES"], environment);
    }

    [Fact]
    public async Task Headers_are_in_a_secret_and_nowhere_else()
    {
        var rendered = await Renderer.RenderAsync("-f", Values("opentelemetry"));

        var secret = Manifests.Only<V1Secret>(rendered);
        Assert.Equal("authorization=Bearer%20not%2Ba%2Freal%20token", System.Text.Encoding.UTF8.GetString(secret.Data["headers"]));
        Assert.DoesNotContain("real token", rendered, StringComparison.Ordinal);
        Assert.DoesNotContain("authorization:", rendered, StringComparison.Ordinal);
        Assert.DoesNotContain("authorization=", rendered, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dashboards_and_rules_come_along_whole()
    {
        var rendered = await Renderer.RenderAsync("--set", "dashboards.enabled=true", "--set", "dashboards.annotations.grafana_folder=Network");

        var dashboards = Manifests.Read(rendered).OfType<V1ConfigMap>().Where(map => map.Metadata.Labels.ContainsKey("grafana_dashboard")).ToList();
        var files = Directory.GetFiles(Path.Combine(Renderer.Chart, "files/dashboards"), "*.json");
        Assert.Equal(files.Select(Path.GetFileName).Order(), dashboards.SelectMany(map => map.Data.Keys).Order());
        Assert.All(dashboards, map => Assert.Equal(
            File.ReadAllText(Path.Combine(Renderer.Chart, "files/dashboards", map.Data.Keys.Single())).TrimEnd(), map.Data.Values.Single().TrimEnd()));
        Assert.All(dashboards, map => Assert.Equal("Network", map.Metadata.Annotations["grafana_folder"]));
    }

    [Theory]
    [InlineData("finds the agents by their PodMonitor", "podMonitor.enabled=true")]
    [InlineData("finds the agents by their ServiceMonitor", "serviceMonitor.enabled=true")]
    [InlineData("goes by annotations")]
    [InlineData("Nothing scrapes the agents yet", "scrapeAnnotations=false")]
    [InlineData("try --set privileged=false", "privileged=true")]
    [InlineData("are pushed to http://collector:4317", "config.otlp.endpoint=http://collector:4317")]
    public async Task The_notes_say_what_to_do_next(string expected, params string[] sets)
    {
        var notes = await Renderer.RenderAsync(["--notes", .. sets.SelectMany(set => new[] { "--set", set })]);

        Assert.Contains(expected, notes, StringComparison.Ordinal);
        Assert.Contains("kubectl --namespace sockwatch exec daemonset/sockwatch -- sockwatch doctor", notes, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public async Task The_agent_runs_with_the_file_that_the_chart_makes(string example)
    {
        await Requires.AgentAsync();
        var map = Manifests.Only<V1ConfigMap>(await Renderer.RenderAsync("-f", Values(example)));
        var folder = Directory.CreateTempSubdirectory("sockwatch-test-");
        var file = Path.Combine(folder.FullName, "sockwatch.yaml");
        // What is mounted in the pod only.
        await File.WriteAllTextAsync(file, map.Data["sockwatch.yaml"]
            .Replace("/var/log/sockwatch", folder.FullName, StringComparison.Ordinal)
            .Replace("/etc/sockwatch/otlp", folder.FullName, StringComparison.Ordinal));
        WriteCertificates(folder.FullName);

        await using var agent = await RunningAgent.StartAsync("--config", file);

        Assert.NotEmpty((await agent.ScrapeAsync()).Of("sockwatch_build_info"));
    }

    private static string Values(string example) => Path.Combine(Renderer.Chart, "examples", example, "values.yaml");

    private static void WriteCertificates(string folder)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=sockwatch", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddHours(1));
        File.WriteAllText(Path.Combine(folder, "ca.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "tls.crt"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "tls.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private static void AssertGolden(string file, string content)
    {
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, content);
        }

        Assert.True(File.Exists(file), $"{file} is missing; run the tests with UPDATE_GOLDEN=1 to write it");
        Assert.Equal(File.ReadAllText(file), content);
    }
}
