using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Sockwatch.Diagnostics;

namespace Sockwatch.Kernel;

/// <summary>Puts the loaded programs to work, before any other stage starts.</summary>
internal sealed class KernelStage(
    KernelPrograms programs, IOptions<FilterOptions> filters, HookState hooks, Health health) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        programs.PrepareMaps(filters.Value);
        programs.AdoptListeners();
        programs.Attach();
        hooks.Current =
        [
            .. programs.Outcomes
                .GroupBy(outcome => (outcome.Hook.Operation, outcome.Hook.Backend))
                .Select(group => new HookReport(
                    group.Key.Operation, group.Key.Backend.Name(), group.All(outcome => outcome.IsAttached) ? "attached" : "missing")),
        ];

        // After the programs are on, so that no socket is born between the two.
        programs.AdoptSockets();
        health.Met(Health.Hooks);
        return Task.CompletedTask;
    }

    // The programs stay on while the stages after this one end; the container disposes them last.
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
