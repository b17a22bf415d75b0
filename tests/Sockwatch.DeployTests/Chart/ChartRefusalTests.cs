using k8s.Models;

namespace Sockwatch.DeployTests.Chart;

/// <summary>What the chart refuses, so that neither the API server nor the agent has to.</summary>
public sealed class ChartRefusalTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("config.kernel.maxEdge=5", "maxEdge")]
    [InlineData("config.kernel.maxEdges=many", "config.kernel.maxEdges")]
    [InlineData("config.kernel.maxEdges=0", "config.kernel.maxEdges")]
    [InlineData("config.diagnostics.programStats=false", "\"off\", \"sampled\", \"on\"")]
    [InlineData("config.collection.interval=fast", "config.collection.interval")]
    [InlineData("config.collection.interval=5", "config.collection.interval")]
    [InlineData("config.kernel.ringBytes=plenty", "config.kernel.ringBytes")]
    [InlineData("config.kernel.ringBytes=12345", "config.kernel.ringBytes")]
    [InlineData("config.flowLog.maxFileBytes=-1", "config.flowLog.maxFileBytes")]
    [InlineData("config.flowLog.maxFileBytes=100", "config.flowLog.maxFileBytes")]
    [InlineData("config.flowLog.minDuration=5", "config.flowLog.minDuration")]
    [InlineData("config.flowLog.sampling=2", "config.flowLog.sampling")]
    [InlineData("config.flowLog.sampling=1.5", "config.flowLog.sampling")]
    [InlineData("config.payload.limit=0", "config.payload.limit")]
    [InlineData("config.collection.interval=0", "config.collection.interval")]
    [InlineData("config.otlp.endpoint=collector:4317", "config.otlp.endpoint")]
    [InlineData("config.otlp.resourceAttributes={production}", "config.otlp.resourceAttributes.0")]
    [InlineData("config.enrichment.networks.office={everywhere}", "config.enrichment.networks.office.0")]
    [InlineData("config.log.level=loud", "\"trace\", \"debug\", \"info\", \"warn\", \"error\"")]
    [InlineData("config.filters.excludePorts={ssh}", "config.filters.excludePorts.0")]
    [InlineData("port=99999", "65535")]
    [InlineData("port=http", "port")]
    [InlineData("imagePullPolicy=Always", "imagePullPolicy")]
    [InlineData("image.pullPolicy=Sometimes", "\"Always\", \"IfNotPresent\", \"Never\"")]
    [InlineData("image.repository=sockwatch:latest", "image.repository")]
    [InlineData("image.digest=abc", "image.digest")]
    [InlineData("privileged=maybe", "privileged")]
    [InlineData("capabilities.extra={CAP_SYS_PTRACE}", "capabilities.extra.0")]
    [InlineData("stateHostPath=run/sockwatch", "stateHostPath")]
    [InlineData("podMonitor.interval=fast", "podMonitor.interval")]
    [InlineData("serviceMonitor.scrapeTimeout=1s1m", "serviceMonitor.scrapeTimeout")]
    [InlineData("updateStrategy.rollingUpdate.maxUnavailable=0", "maxUnavailable")]
    [InlineData("updateStrategy.rollingUpdate.maxUnavailable=foo", "maxUnavailable")]
    [InlineData("updateStrategy.rollingUpdate.maxUnavailable=0%", "maxUnavailable")]
    [InlineData("resources.limits.memory=512 MB", "resources.limits.memory")]
    [InlineData("resources.requests.cpu=-1", "resources.requests.cpu")]
    [InlineData("probes.liveness.successThreshold=2", "successThreshold")]
    [InlineData("probes.startup.successThreshold=2", "successThreshold")]
    [InlineData("probes.readiness.terminationGracePeriodSeconds=5", "terminationGracePeriodSeconds")]
    [InlineData("commonLabels.team=two words", "commonLabels.team")]
    [InlineData("podMonitor.labels.release=-prometheus", "podMonitor.labels.release")]
    [InlineData("fullnameOverride=sock.watch", "fullnameOverride")]
    [InlineData("fullnameOverride=9sockwatch", "fullnameOverride")]
    [InlineData("nameOverride=sock.watch", "nameOverride")]
    [InlineData("probes.liveness.period=5", "period")]
    [InlineData("tolerations=all", "tolerations")]
    [InlineData("terminationGracePeriodSeconds=1", "terminationGracePeriodSeconds")]
    public async Task The_schema_refuses_and_names(string set, string named)
    {
        var refused = await Renderer.TryRenderAsync("--set", set);

        output.WriteLine(refused.Errors);
        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains("schema", refused.Errors, StringComparison.Ordinal);
        Assert.Contains(named, refused.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("config.http.listen belongs to the chart: set `port`", "config.http.listen=:80")]
    [InlineData("config.stateDirectory belongs to the chart: set `stateHostPath`", "config.stateDirectory=/tmp")]
    [InlineData("set `otlpSecrets.headers`", "config.otlp.headers={a=b}")]
    [InlineData("keep one", "otlpSecrets.headers.a=b", "otlpSecrets.existingHeadersSecret.name=mine")]
    [InlineData("keep one", "otlpSecrets.tls.secret=mine", "config.otlp.certificate=/etc/ca.pem")]
    [InlineData("belong together", "otlpSecrets.tls.secret=mine", "otlpSecrets.tls.key=tls.key")]
    [InlineData("the root file system is read-only", "config.flowLog.target=/var/log/flows.json")]
    [InlineData("no effect with hostNetwork", "networkPolicy.enabled=true", "hostNetwork=true")]
    [InlineData("set hostNetwork: true", "config.kubernetes.serviceBackends=true")]
    [InlineData("leave maxSurge out", "updateStrategy.rollingUpdate.maxSurge=1")]
    [InlineData("leave maxSurge out", "updateStrategy.rollingUpdate.maxSurge=10%")]
    [InlineData("podMonitor.scrapeTimeout, 10s, is longer than podMonitor.interval, 5s", "podMonitor.enabled=true", "podMonitor.interval=5s")]
    [InlineData("serviceMonitor.scrapeTimeout, 1m30s, is longer", "serviceMonitor.enabled=true", "serviceMonitor.interval=1m", "serviceMonitor.scrapeTimeout=1m30s")]
    public async Task What_contradicts_itself_is_refused_with_the_way_out(string expected, params string[] sets)
    {
        var refused = await Renderer.TryRenderAsync([.. sets.SelectMany(set => new[] { "--set", set })]);

        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains(expected, refused.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("commonLabels", "app.kubernetes.io/name")]
    [InlineData("podLabels", "app.kubernetes.io/instance")]
    [InlineData("podLabels", "helm.sh/chart")]
    public async Task Labels_of_the_charts_own_are_not_to_be_had(string labels, string label)
    {
        var refused = await Renderer.TryRenderAsync("-f", await Renderer.WriteAsync($"{labels}: {{{label}: mine}}\n"));

        Assert.NotEqual(0, refused.ExitCode);
        Assert.Contains($"{labels}.{label} is a label of the chart's own", refused.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("updateStrategy.rollingUpdate.maxUnavailable=2")]
    [InlineData("updateStrategy.rollingUpdate.maxUnavailable=100%")]
    [InlineData("resources.limits.memory=1.5Gi", "resources.requests.cpu=1", "resources.requests.memory=1e9")]
    [InlineData("podMonitor.enabled=true", "podMonitor.interval=1m", "podMonitor.scrapeTimeout=60s")]
    [InlineData("probes.liveness.successThreshold=1", "probes.liveness.terminationGracePeriodSeconds=20", "probes.readiness.successThreshold=3")]
    [InlineData("fullnameOverride=watch-2", "nameOverride=2watch", "serviceMonitor.enabled=true")]
    public async Task The_schema_takes_what_the_api_server_takes(params string[] sets)
    {
        var objects = Manifests.Read(await Renderer.RenderAsync([.. sets.SelectMany(set => new[] { "--set", set })]));

        Assert.Contains(objects, item => item is V1DaemonSet);
    }
}
