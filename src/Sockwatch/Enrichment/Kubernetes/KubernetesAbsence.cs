using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>Says, in a pod, why no name comes from Kubernetes.</summary>
internal sealed partial class KubernetesAbsence(ILogger<KubernetesAbsence> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        Log.NoToken(logger);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Information, "No names from Kubernetes: this pod has no service account token (automountServiceAccountToken)")]
        public static partial void NoToken(ILogger logger);
    }
}
