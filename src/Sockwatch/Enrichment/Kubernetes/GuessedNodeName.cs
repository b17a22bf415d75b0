using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sockwatch.Enrichment.Kubernetes;

/// <summary>Says, in a pod, that nobody told the agent which node it is on: a pod's host name is seldom its node's.</summary>
internal sealed partial class GuessedNodeName(string guess, ILogger<GuessedNodeName> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        Log.Guessed(logger, guess);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static partial class Log
    {
        [LoggerMessage(LogLevel.Warning,
            "Pods are looked for on node {Node}, which is this host's name: set NODE_NAME to the pod's spec.nodeName, or kubernetes.nodeName, if none has a name")]
        public static partial void Guessed(ILogger logger, string node);
    }
}
