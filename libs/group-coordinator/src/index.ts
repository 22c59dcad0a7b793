export { GroupNode, type GroupNodeConfig, type GroupNodePorts } from './group-node.ts';
