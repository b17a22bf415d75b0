using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Sockwatch.Aggregation;
using Sockwatch.Enrichment;
using Sockwatch.Kernel;
using Sockwatch.Reader;

namespace Sockwatch.Payload;

internal static class PayloadServices
{
    private const int MaxStrangers = 4096;

    /// <summary>Puts the capture between the reader and what it would hand its records to. After the enrichment, whose names it needs.</summary>
    public static IServiceCollection AddPayload(
        this IServiceCollection services, PayloadOptions options, Func<IServiceProvider, IFlowRecordSink> next)
    {
        services.AddSingleton(options);
        services.AddSingleton(new Redaction(options.Redact));
        services.AddSingleton<PayloadList>();
        services.TryAddSingleton<IPayloadList>(provider => provider.GetRequiredService<PayloadList>());
        services.AddSingleton<FlowPayloads>();
        services.AddSingleton<IFlowRecordSink>(provider => new PayloadCapture(
            options,
            provider.GetRequiredService<FlowPayloads>(),
            provider.GetRequiredService<IPayloadList>(),
            provider.GetRequiredService<Redaction>(),
            TellKernel(provider.GetRequiredService<KernelPrograms>()),
            provider.GetService<EdgeProtocols>() is { } protocols ? (edge, protocol) => protocols.Add(edge, protocol.Name) : (_, _) => { },
            next(provider)));
        if (options.RecogniseProtocols)
        {
            services.AddSingleton<EdgeProtocols>();
            services.AddSingleton<IEdgeNaming>(provider => new ProtocolNaming(
                provider.GetRequiredService<EdgeNaming>(), provider.GetRequiredService<EdgeProtocols>()));
        }

        return services;
    }

    private static Action<PayloadOwner> TellKernel(KernelPrograms programs)
    {
        var map = programs.Object.Map<PayloadOwner, byte>("payload_strangers");
        var told = new HashSet<PayloadOwner>();
        return owner =>
        {
            if (told.Count >= MaxStrangers)
            {
                told.Clear(); // The kernel forgets some as well.
            }

            if (told.Add(owner))
            {
                map.Update(owner, 1);
            }
        };
    }
}
