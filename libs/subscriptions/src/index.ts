export { Subscriptions, type SubscriptionsPorts } from './subscriptions.ts';
