using Sockwatch.Commands;

return await CommandLine.RunAsync(args, new CommandContext
{
    Composition = new AgentComposition(),
    Terminal = Terminal.OfProcess(),
});
